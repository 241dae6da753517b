"""A training method with its hyper-parameters, as recipes and commands have them."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.noisy_fgsm import FORMS
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel


@dataclasses.dataclass(frozen=True)
class DefenseSettings:
    """The settings of every method; a package adds its own, and `build`, which makes the model.

    Attributes:
        name: name of the method.
        arguments: dict of constructor arguments.
        attack: dict of eps and norm, and where there is an inner attack of its kind, a name in
            `inner_attacks`, and of its settings.
        inner_attacks: dict, kind -> function of eps, norm and settings to the attack.
    """

    name: str
    arguments: Mapping
    attack: Mapping
    inner_attacks: ClassVar[Mapping] = {"pgd": PGD, "apgd": APGD, **FORMS}

    @property
    def title(self):
        """The method in words."""
        return self.name

    @property
    def threat_model(self):
        """The `ThreatModel` of training and evaluation."""
        return ThreatModel(self.attack["eps"], self.attack["norm"])

    @property
    def inner_attack(self):
        """The attack of the inner maximisation (section 3 of both papers)."""
        settings = {name: value for name, value in self.attack.items() if name != "kind"}
        return self.inner_attacks[self.attack["kind"]](**settings)
