"""A sign of masked gradients that takes a few passes, for a look at a network while it trains.

A sign is a number per image, large where gradients mislead. tools/masking_study.py has others.
"""

import dataclasses
import functools

import tensorflow as tf

from robust_tf.attacks.objectives import correct
from robust_tf.attacks.pgd import PGD

# Step sizes of PGD in units of eps, and its steps: too small to cross the ball, usual, across it.
OTHER_SIZES, USUAL, STEPS = (1 / 30, 1.0, 2.0), 1 / 4, 10


def step_sizes(look):
    """1 where PGD of one step size succeeds and PGD of eps / 4 fails; takes a `Look`."""
    survived = [look.after_pgd(size) for size in OTHER_SIZES]
    return tf.cast(look.after_usual_pgd & ~tf.reduce_all(survived, axis=0), tf.float32)


def signs_of_batch(logits_fn, labels, ball, signs):
    """Returns the function of one batch for `attack_loop`.

    Args:
        logits_fn: images to logits, in inference mode.
        labels: int [n], labels of the whole data set.
        ball: `ThreatModel`.
        signs: dict name -> function (`Look`) -> float [b].

    Returns:
        (images, rows, keys) -> dict name -> float [b].
    """
    labels = tf.constant(labels, tf.int32)

    def look_at(images, rows, keys):
        look = Look(logits_fn, ball, images, tf.gather(labels, rows), keys)
        return {name: sign(look) for name, sign in signs.items()}

    return look_at


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """A network, and a batch in its ball."""

    logits_fn: object
    ball: object
    images: tf.Tensor
    labels: tf.Tensor
    keys: tf.Tensor

    def still_correct(self, attack):
        """Which images of the batch an attack leaves correct, bool [b]."""
        attacked = attack.perturb(self.logits_fn, self.images, self.labels, self.keys)
        return correct(self.logits_fn(attacked), self.labels)

    def after_pgd(self, size):
        """Which images PGD with steps of `size` radii leaves correct, bool [b]."""
        return self.still_correct(PGD(self.ball, STEPS, size * self.ball.eps))

    @functools.cached_property
    def after_usual_pgd(self):
        return self.after_pgd(USUAL)
