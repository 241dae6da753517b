"""A defense of the TLA paper from plain values, as recipes and commands have them."""

import dataclasses
from collections.abc import Mapping

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.noisy_fgsm import FORMS
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.adversarial_training import AdversarialTraining
from tla_tf.defenses.mart import Mart
from tla_tf.defenses.negatives import NegativeSelection
from tla_tf.defenses.trades import Trades
from tla_tf.defenses.triplet_adversarial import TripletAdversarial
from tla_tf.defenses.undefended import Undefended

DEFENSES = {
    "um": Undefended,
    "at": AdversarialTraining,
    "alp": AdversarialLogitPairing,
    **dict.fromkeys(("tla", "tla_rn", "tla_sa"), TripletAdversarial),
    "trades": Trades,
    "mart": Mart,
}
# The inner attack, by its ball and the flags that it reads.
INNER_ATTACKS = {"pgd": PGD, "apgd": APGD, **FORMS}


@dataclasses.dataclass(frozen=True)
class DefenseSettings:
    """A training method with all its hyper-parameters.

    Attributes:
        method: a name in `DEFENSES`.
        arguments: dict of the constructor arguments of its class, without the two below.
        attack: dict of eps and norm, of kind, a name in `INNER_ATTACKS`, and of its settings.
        negatives: dict of the constructor arguments of `NegativeSelection`.
    """

    method: str
    arguments: Mapping
    attack: Mapping
    negatives: Mapping

    @classmethod
    def read(cls, method, arguments):
        """Returns the settings of a method.

        Args:
            method: a name in `DEFENSES`.
            arguments: function from the name of a part, such as "attack", to its dict.
        """
        return cls(method, *map(arguments, ("defense", "attack", "negatives")))

    @property
    def threat_model(self):
        """The `ThreatModel` of training and evaluation."""
        return ThreatModel(self.attack["eps"], self.attack["norm"])

    @property
    def inner_attack(self):
        """The attack of the inner maximisation (TLA, section 3)."""
        settings = {k: v for k, v in self.attack.items() if k not in ("eps", "norm", "kind")}
        return INNER_ATTACKS[self.attack["kind"]](self.threat_model, **settings)

    @property
    def streams(self):
        """The image streams that the method needs beside the anchors."""
        if DEFENSES[self.method] is not TripletAdversarial or self.arguments["pool"] == "batch":
            return ()
        return ("pool",) if self.arguments["positive"] == "own" else ("positive", "pool")

    def build(self, network):
        """Returns the `AdversarialModel` around `network`."""
        defense, arguments = DEFENSES[self.method], dict(self.arguments)
        if defense is not Undefended:
            arguments["attack"] = self.inner_attack
        if defense is TripletAdversarial:
            arguments["negatives"] = NegativeSelection(**self.negatives)
        return defense(network, **arguments)
