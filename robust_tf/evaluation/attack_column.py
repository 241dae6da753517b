"""One attack to run on a classifier, and what it did."""

import dataclasses
from collections.abc import Callable

import numpy as np

from robust_tf.attacks.presets import Preset
from robust_tf.threat_model import ThreatModel

CLEAN = "clean"
WORST_CASE = "worst case"
WORST_CASE_ROUNDED = f"{WORST_CASE}, rounded"


@dataclasses.dataclass(frozen=True)
class Column:
    """One attack to run.

    Attributes:
        name: Name of the attack.
        preset: `Preset` of the attack; None for clean images.
        ensemble: Name of the ensemble whose earlier members run before; None for an attack alone.
        substitute: Name of the substitute that the images are made on; None for the network.
    """

    name: str
    preset: Preset | None = None
    ensemble: str | None = None
    substitute: str | None = None

    @property
    def threat_model(self):
        """`ThreatModel` of the attack; None for clean images."""
        return self.preset and self.preset.threat_model


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
    """

    logits_fn: Callable
    weights_hash: str
