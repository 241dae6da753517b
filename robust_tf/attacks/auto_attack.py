"""AutoAttack, an ensemble of attacks without settings to choose (Croce and Hein 2020)."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.attack import Attack, LogitsFn
from robust_tf.attacks.attack_images import attack_rows, in_a_function, prepare
from robust_tf.attacks.compiled_attacks import known_attacks
from robust_tf.attacks.expectation import EOT
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.malt import MALT
from robust_tf.attacks.objectives import correct, margin
from robust_tf.attacks.select_images import select_images
from robust_tf.attacks.square import Square
from robust_tf.errors import require_known
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

# More targets than any network has classes.
ALL_CLASSES = 1_000_000
# The attacks of AutoAttack with the steps, targets and queries of its authors' code. APGD follows
# the paper where the two differ, see `StepSize`. Square gives each image a window of its own, where
# theirs share one in a batch, and in L2 each channel its budget, as the code of Square's authors
# does. "fab", not targeted, runs once and looks at the nine likeliest classes, where theirs has
# four more runs from random starts and looks at all classes.
MEMBERS: dict[str, Callable[[ThreatModel], Attack]] = {
    "apgd-ce": lambda ball: APGD(ball, "ce", steps=100),
    "apgd-dlr": lambda ball: APGD(ball, "dlr", steps=100),
    "apgd-t": lambda ball: APGD(ball, "targeted-dlr", steps=100, targets=9),
    "fab-t": lambda ball: FAB(ball, steps=100, targets=9),
    "square": lambda ball: Square(ball, queries=5000, rescaled=False),
    "5apgd-ce": lambda ball: APGD(ball, "ce", steps=100, restarts=5),
    "5apgd-dlr": lambda ball: APGD(ball, "dlr", steps=100, restarts=5),
    "fab": lambda ball: FAB(ball, steps=100, targets=9, targeted=False),
    "eot-apgd-ce": lambda ball: EOT(ball, attack=APGD(ball, "ce", steps=100), passes=20),
    "eot-apgd-dlr": lambda ball: EOT(ball, attack=APGD(ball, "dlr", steps=100), passes=20),
    # Of the fast version: half the steps, a third of the targets.
    "apgd-ce50": lambda ball: APGD(ball, "ce", steps=50),
    "malt": MALT,
    # Towards all classes.
    "apgd-t-all": lambda ball: APGD(ball, "targeted-dlr", targets=ALL_CLASSES),
    "multi-targeted": lambda ball: APGD(ball, "targeted-margin", targets=ALL_CLASSES),
}
VERSIONS = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "fast": ("apgd-ce50", "malt", "apgd-t", "square"),
    "plus": ("5apgd-ce", "5apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("eot-apgd-ce", "eot-apgd-dlr"),
}
# Version -> member -> how many images it attacks first, and how many with each further portion; 0:
# all others. A portion follows only if the one before loses an image. First come the images with
# the smallest margins that earlier members left. Square is last: gradients fool none of the images
# that it fools.
PORTIONS = {"fast": {"apgd-t": (50, 50), "square": (100, 0)}}


def portions(
    correct: np.ndarray, margins: np.ndarray, sizes: tuple[int, int] | None
) -> Iterator[np.ndarray]:
    """Yields the images that a member attacks, portion by portion; the last stays correct.

    Args:
        correct: bool [n], the images that are still correct; whoever attacks a portion notes there
            which stay so.
        margins: float [n], the smallest margins that earlier members left; small ones come first.
        sizes: see `PORTIONS`; None: all at once.

    Yields:
        int [m], ascending; no empty portion.
    """
    rows = np.flatnonzero(correct)
    rows = rows[np.argsort(margins[rows], kind="stable")]
    if not len(rows):
        return
    first, further = sizes or (len(rows), 0)
    for portion in np.split(rows, range(first, len(rows), further or len(rows))):
        yield np.sort(portion)
        if correct[portion].all():
            return


@dataclasses.dataclass(frozen=True)
class AutoAttack(Attack):
    """The members one after the other, each on the images that are still classified correctly.

    Args:
        threat_model, eps, norm: see `Attack`.
        version: "standard": APGD on the cross entropy, targeted APGD, targeted FAB, Square.
            "fast": APGD on the cross entropy, MALT, targeted APGD and Square. Targeted APGD
            attacks the images with the smallest margins left, 50 at a time, until 50 stay correct.
            Square attacks 100 of them, and all if it fools one. "plus": five runs of APGD on each
            loss, FAB, Square, and the targeted attacks. "rand": APGD on the mean of 20 passes, for
            a random network.

    Raises:
        ValueError: unknown version, a setting out of its range.
    """

    version: str = "standard"

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        require_known("version", self.version, VERSIONS)

    @property
    def members(self) -> tuple[Attack, ...]:
        """The attacks in their order."""
        return tuple(MEMBERS[name](self.threat_model) for name in VERSIONS[self.version])

    def __call__(
        self, model: Any, x: Any, y: Any, *, seed: int = 0, batch_size: int | None = None
    ) -> Any:
        """Returns adversarial images, see `attack_images`; a clean one where no member succeeds."""
        if in_a_function():
            return super().__call__(model, x, y, seed=seed, batch_size=batch_size)
        known = known_attacks(model)
        logits_fn = known.logits_fn
        images, labels, size = prepare(self.threat_model, logits_fn, x, y, batch_size)
        adversarial = images.copy()
        active = np.ones(len(images), bool)
        sizes, margins = PORTIONS.get(self.version, {}), np.full(len(images), np.inf)

        for name, attack in zip(VERSIONS[self.version], self.members):
            for rows in portions(active, margins, sizes.get(name)):
                attack_rows(attack, known, images, labels, rows, adversarial, seed, size)
                for part in np.array_split(rows, range(size, len(rows), size)):
                    logits = logits_fn(tf.constant(adversarial[part]))
                    active[part] = correct(logits, labels[part])
                    left = margin(logits, tf.constant(labels[part]))
                    margins[part] = np.minimum(margins[part], left)
        adversarial[active] = images[active]
        return tf.constant(adversarial) if tf.is_tensor(x) else adversarial

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key: tf.Tensor, shard=Shard()
    ) -> tf.Tensor:
        """Attacks one batch; see `Attack.perturb` for arguments and result.

        Every member uses the same key, as the columns of an evaluation do, and attacks all images.
        """
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        x_adv = x
        for attack in self.members:
            # Members leave a misclassified image as it is.
            found = attack.perturb(logits_fn, x_adv, y, key, shard)
            x_adv = select_images(correct(logits_fn(found), y), x, found)
        return tf.stop_gradient(x_adv)
