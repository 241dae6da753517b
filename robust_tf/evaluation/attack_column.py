"""One attack to run on a classifier, and what it did."""

import dataclasses
from collections.abc import Callable

import numpy as np

from robust_tf.attacks.auto_attack import PORTIONS, VERSIONS
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.presets import Preset
from robust_tf.threat_model import ThreatModel, format_magnitude

# Enough for every loss to take its usual form.
MANY_CLASSES = 10
CLEAN = "clean"
WORST_CASE = "worst case"
# Ends the names of attacks whose images are rounded to 8 bits.
ROUNDED = "-rounded"
WORST_CASE_ROUNDED = f"{WORST_CASE}, rounded"


@dataclasses.dataclass(frozen=True)
class Column:
    """One attack to run.

    Attributes:
        name: Name of the attack.
        preset: `Preset` of the attack; None for clean images.
        ensemble: Name of the ensemble whose earlier members run before; None for an attack alone.
        substitute: Name of the substitute that the images are made on; None for the network.
        portions: how many images are attacked first and with each further portion, see
            `auto_attack.PORTIONS`. None: all at once.
        margins: whether the margins that it leaves are kept, for the portions of a later member.
    """

    name: str
    preset: Preset | None = None
    ensemble: str | None = None
    substitute: str | None = None
    portions: tuple[int, int] | None = None
    margins: bool = False

    @property
    def threat_model(self):
        """`ThreatModel` of the attack; None for clean images."""
        return self.preset and self.preset.threat_model

    @property
    def restarts(self):
        """Number of independent runs."""
        return self.preset.restarts if self.preset else 1

    @property
    def eager(self):
        """Whether the attack belongs outside of a `tf.function`."""
        return self.preset is not None and self.preset.eager

    @property
    def uses_gradients(self):
        """See `Attack`."""
        return self.preset is None or self.preset.uses_gradients

    def on_loss(self, num_classes):
        """Returns a line on an attack whose usual loss takes more classes, else ""."""
        loss_name = getattr(self.preset and self.preset.attack, "loss_name", lambda _: None)
        taken, usual = loss_name(num_classes), loss_name(MANY_CLASSES)
        if taken == usual:
            return ""
        return (
            f"{self.name}: ascends the {taken}; {num_classes} classes are too few for the {usual}"
        )

    def too_short(self):
        """Returns a line on steps that together do not cross the radius of the ball, else ""."""
        attack = self.preset and self.preset.attack
        if not isinstance(attack, PGD):
            return ""
        steps, size, eps = attack.steps, attack.step_size, attack.threat_model.eps
        if steps * size > eps * (1 - 1e-6) or not eps:
            return ""
        return (
            f"{self.name}: {steps} step{'s' * (steps > 1)} of {format_magnitude(size)} cannot "
            f"cross the radius {format_magnitude(eps)}; its number is too high"
        )


def ensemble_columns(version, preset_of):
    """Returns the list of `Column` of a version of AutoAttack.

    Args:
        version: one of `auto_attack.VERSIONS`.
        preset_of: function from the name of a member to its `Preset`.
    """
    presets = [(name, preset_of(name)) for name in VERSIONS[version]]
    ensemble = f"{version}{ROUNDED if presets[0][1].rounded else ''}"
    sizes = PORTIONS.get(version, {})
    return [
        Column(p.name, p, ensemble, portions=sizes.get(name), margins=bool(sizes))
        for name, p in presets
    ]


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What one attack, or several together, did.

    Attributes:
        name: Name of the attack.
        correct: bool [n], the images that are still classified correctly.
        threat_model: `ThreatModel`; None for clean images.
        settings: dict of the hyper-parameters.
        after: Names of the earlier attacks; this one attacked only what they left correct.
    """

    name: str
    correct: np.ndarray
    threat_model: ThreatModel | None
    settings: dict
    after: tuple = ()


@dataclasses.dataclass(frozen=True)
class Substitute:
    """A classifier that adversarial images are made on, to be tried on the evaluated one.

    Attributes:
        logits_fn: Images to logits.
        weights_hash: Hash of its weights.
        defended: whether it was trained against attacks.
    """

    logits_fn: Callable
    weights_hash: str
    defended: bool = True
