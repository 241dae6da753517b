"""Signs of masked gradients that take a few passes, for a look at a network while it trains.

Each is a number per image, large where gradients mislead: see `SIGNS`.
"""

import dataclasses
import functools

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.threat_model import l2_unit

# Step sizes of PGD in units of eps, and its steps: too small to cross the ball, usual, across it.
OTHER_SIZES, USUAL, STEPS = (1 / 30, 1.0, 2.0), 1 / 4, 10
QUERIES = 50


def step_sizes(look):
    """1 where PGD of one step size succeeds and PGD of eps / 4 fails."""
    survived = [look.after_pgd(size) for size in OTHER_SIZES]
    return tf.cast(look.after_usual_pgd & ~tf.reduce_all(survived, axis=0), tf.float32)


def turning_gradients(look):
    """1 minus the cosine of the input gradients at two random points of the ball."""
    first, second = (look.gradient(number) for number in (1, 2))
    return 1.0 - tf.reduce_sum(first * second, axis=1)


def zero_gradients(look):
    """1 where the input gradient at a random point of the ball is 0 or not finite."""
    return 1.0 - tf.round(tf.norm(look.gradient(1), axis=1))


def few_queries(look):
    """1 where 50 queries without gradients succeed and PGD of eps / 4 fails."""
    square = look.still_correct(Square(look.ball, queries=QUERIES))
    return tf.cast(look.after_usual_pgd & ~square, tf.float32)


SIGNS = {
    "step_sizes": step_sizes,
    "turning_gradients": turning_gradients,
    "zero_gradients": zero_gradients,
    "few_queries": few_queries,
}


def signs_of_batch(logits_fn, labels, ball, names):
    """Returns the function of one batch for `attack_loop`.

    Args:
        logits_fn: images to logits, in inference mode.
        labels: int [n], labels of the whole data set.
        ball: `ThreatModel`.
        names: names in `SIGNS`.

    Returns:
        (images, rows, keys) -> dict name -> float [b].
    """
    labels = tf.constant(labels, tf.int32)

    def look_at(images, rows, keys):
        look = _Look(logits_fn, ball, images, tf.gather(labels, rows), keys)
        return {name: SIGNS[name](look) for name in names}

    return look_at


@dataclasses.dataclass(frozen=True, eq=False)
class _Look:
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

    def gradient(self, number):
        """Unit input gradients at random point `number` of the ball, float [b, pixels], or 0."""
        keys = randomness.fold_in(self.keys, number)
        point = self.ball.random_start(self.images, keys)
        *_, gradient = CrossEntropy(self.logits_fn, self.labels).differentiate(point)
        rows = tf.reshape(gradient, [randomness.shape_of(point)[0], -1])
        return l2_unit(tf.where(tf.math.is_finite(rows), rows, 0))
