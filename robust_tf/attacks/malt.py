"""MALT: targeted APGD towards the classes whose boundary looks nearest (Melamed et al. 2024).

Melamed, Yehudai and Shamir 2024, MALT powers up adversarial attacks. The runs start at points that
differ in the outputs, see `output_diversified_start`.
"""

import dataclasses
from dataclasses import KW_ONLY

from robust_tf.attacks.apgd import APGD, TARGETED
from robust_tf.attacks.nearest_classes import nearest_classes
from robust_tf.attacks.objectives import likeliest_others
from robust_tf.attacks.output_diversified_start import output_diversified_start


@dataclasses.dataclass(frozen=True)
class MALT(APGD):
    """Targeted APGD with few, well-chosen targets and few steps.

    Args:
        threat_model, eps, norm, loss, rho: see `APGD`.
        steps, targets: see `APGD`.
        candidates: number of the likeliest other classes among which the targets are chosen.

    Raises:
        ValueError: see `APGD`; a loss without targets, fewer candidates than targets.
    """

    loss: str = "targeted-dlr"
    _: KW_ONLY
    steps: int = 50
    targets: int = 3
    candidates: int = 9

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        if self.loss not in TARGETED:
            raise ValueError(f"MALT needs a loss of {', '.join(TARGETED)}, got {self.loss!r}")
        if self.candidates < self.targets:
            raise ValueError(f"{self.targets} targets need as many candidates: {self.candidates}")

    def _targets(self, logits_fn, x, y, logits, count):
        candidates = min(self.candidates, logits.shape[-1] - 1)
        others = likeliest_others(logits, y, candidates)
        return nearest_classes(logits_fn, x, y, others, count, self.threat_model)

    def _start(self, logits_fn, x, y, classes, key, shard):
        return output_diversified_start(logits_fn, x, y, classes, self.threat_model, key, shard)
