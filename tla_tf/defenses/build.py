"""A defense of the TLA paper from plain values, as recipes and commands have them."""

import dataclasses
from collections.abc import Mapping

from robust_tf.training import defense_settings
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


@dataclasses.dataclass(frozen=True)
class DefenseSettings(defense_settings.DefenseSettings):
    """A method of `DEFENSES`.

    Attributes:
        negatives: dict of the constructor arguments of `NegativeSelection`.
    """

    negatives: Mapping

    @classmethod
    def read(cls, name, arguments):
        """Returns the settings of a method.

        Args:
            name: a key of `DEFENSES`.
            arguments: function from the name of a part, such as "attack", to its dict.
        """
        return cls(name, *map(arguments, ("defense", "attack", "negatives")))

    @property
    def streams(self):
        """The image streams that the method needs beside the anchors."""
        if DEFENSES[self.name] is not TripletAdversarial or self.arguments["pool"] == "batch":
            return ()
        return ("pool",) if self.arguments["positive"] == "own" else ("positive", "pool")

    def build(self, network):
        """Returns the `AdversarialModel` around `network`."""
        defense, arguments = DEFENSES[self.name], dict(self.arguments)
        if defense is not Undefended:
            arguments["attack"] = self.inner_attack
        if defense is TripletAdversarial:
            arguments["negatives"] = NegativeSelection(**self.negatives)
        return defense(network, **arguments)
