"""FAB, which looks for the nearest misclassified image.

Croce and Hein 2020, Minimally distorted adversarial examples with a fast adaptive boundary attack;
targeted as in AutoAttack.
"""

import dataclasses
import math
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf.attacks.attack import Attack, LogitsFn, later
from robust_tf.attacks.nearest_classes import nearest_classes
from robust_tf.attacks.objective import NetworkObjective, per_image
from robust_tf.attacks.objectives import correct, likeliest_others, logit_difference
from robust_tf.attacks.packed_loop import packed_loop
from robust_tf.attacks.select_images import select_images
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

# Below this a distance does not count in the mixing weight, as in the authors' code.
SHORTEST = 1e-8


@dataclasses.dataclass(frozen=True)
class FAB(Attack):
    """FAB: towards the decision boundary with each of the likeliest other classes.

    A step linearises the boundary at the point. It goes a little beyond it, from the point and from
    the clean image, and mixes the two. A misclassified point is then pulled towards the image.

    Args:
        threat_model, eps, norm: see `Attack`; the radius only decides which images count.
        steps: number of steps towards each target, >= 1.
        targets: number of target classes, at most one for each other class.
        alpha_max: largest weight of the way from the clean image.
        eta: overshoot beyond the boundary, >= 1.
        beta: place between clean image (0) and misclassified point (1) where the search goes on.
        targeted: whether one run goes towards each target. Otherwise each step of a single run goes
            to the nearest of their boundaries and costs a gradient of each.

    Raises:
        ValueError: a setting out of its range.
    """

    _: KW_ONLY
    steps: int = 100
    targets: int = 9
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9
    targeted: bool = later(True)

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        if not 1 <= self.eta < math.inf or not 0 <= self.alpha_max <= 1 or not 0 < self.beta < 1:
            raise ValueError(
                "expected eta >= 1, alpha_max in [0, 1] and beta in (0, 1), "
                f"got {self.eta}, {self.alpha_max} and {self.beta}"
            )

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key=None, shard: Shard = Shard()
    ) -> tf.Tensor:
        """Attacks a batch, with the arguments of `Attack.perturb`; nothing is drawn at random.

        Returns:
            Images like `x`, in ball and box, without gradient: a misclassified point, or x itself
            where none was found or x is misclassified already.
        """
        x = tf.convert_to_tensor(x)
        eps = self.threat_model.eps
        nearest, distance = self._search(logits_fn, x, y, enough=eps)
        return tf.stop_gradient(select_images(distance <= eps, nearest, x))

    def nearest(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the nearest misclassified images found, and their distances, float [batch].

        All steps are done, whatever eps. Where none is found, the image is x, the distance inf.
        """
        nearest, distance = self._search(logits_fn, tf.convert_to_tensor(x), y, enough=0.0)
        return tf.stop_gradient(nearest), tf.stop_gradient(distance)

    def _search(self, logits_fn, x, y, enough):
        y = tf.convert_to_tensor(y)
        logits = logits_fn(x)
        runs = min(self.targets, logits.shape[-1] - 1)
        targets = likeliest_others(logits, y, runs)
        none = tf.constant(float("inf"), x.dtype)

        def approach(number, fixed, state, active):
            (x, y, targets), (point, nearest, distance) = fixed, state
            if self.targeted:
                target = tf.gather(targets, number // self.steps, axis=1)
            else:
                target = nearest_classes(logits_fn, point, y, targets, 1, self.threat_model)[:, 0]
            point = select_images(number % self.steps == 0, x, point)
            moved = self._step(logits_fn, x, y, point, target)
            fooled = ~correct(logits_fn(moved), y)
            length = self.threat_model.distance(moved, x)
            nearer = fooled & active & (length < distance)
            pulled = select_images(fooled, x + self.beta * (moved - x), moved)
            nearest = select_images(nearer, moved, nearest)
            distance = tf.where(nearer, length, distance)
            return (pulled, nearest, distance), distance > enough

        distance = tf.where(correct(logits, y), none, 0.0)
        (nearest, distance), _ = packed_loop(
            approach,
            (x, y, targets),
            (x, x, distance),
            distance > enough,
            limit=(runs if self.targeted else 1) * self.steps,
            result=lambda state: state[1:],
        )
        return nearest, distance

    def _step(self, logits_fn, x, y, point, target):
        towards = NetworkObjective(logits_fn, lambda logits: logit_difference(logits, target, y))
        _, gap, normal = towards.differentiate(point)
        axes = list(range(1, x.shape.rank))
        gap_at_x = gap + tf.reduce_sum(normal * (x - point), axis=axes)
        from_point = step_to_hyperplane(point, normal, gap, self.threat_model)
        from_x = step_to_hyperplane(x, normal, gap_at_x, self.threat_model)
        near, far = (
            tf.maximum(self.threat_model.distance(step, tf.zeros_like(x)), SHORTEST)
            for step in (from_point, from_x)
        )
        alpha = per_image(tf.minimum(near / (near + far), self.alpha_max), x)
        mixed = (1 - alpha) * (point + self.eta * from_point) + alpha * (x + self.eta * from_x)
        return tf.clip_by_value(mixed, self.threat_model.lower, self.threat_model.upper)


def step_to_hyperplane(
    x: tf.Tensor, normal: tf.Tensor, excess: tf.Tensor, threat_model: ThreatModel
) -> tf.Tensor:
    """Returns the smallest d in the norm with normal . d = -excess and x + d in the box.

    Let r be the room of a pixel in the direction that lowers |excess|. The solution moves each
    pixel there by min(t, r) (L-inf) or min(t * |normal|, r) (L2), for one level t an image. Where
    the box does not reach the hyperplane, d goes to the corner nearest to it.

    Args:
        x: float [batch, ...] in the box.
        normal: like x, the normals of the hyperplanes.
        excess: float [batch], normal . x minus the offset of the hyperplane.
        threat_model: `ThreatModel`, of which norm and box count.

    Returns:
        d, like x.
    """
    rows = tf.reshape(normal, [tf.shape(x)[0], -1])
    # By the largest entry: squares of tiny gradients would underflow to zero.
    largest = tf.reduce_max(tf.abs(rows), axis=1, keepdims=True)
    rows = tf.math.divide_no_nan(rows, largest)
    total = tf.math.divide_no_nan(tf.abs(excess)[:, None], largest)
    points = tf.reshape(x, tf.shape(rows))
    direction = -tf.sign(rows) * tf.sign(excess)[:, None]
    room = tf.where(direction > 0, threat_model.upper - points, points - threat_model.lower)
    size = tf.abs(rows)
    if threat_model.norm == "linf":
        move = tf.minimum(_level(size, room, total), room)
    else:
        bounds = tf.math.divide_no_nan(room, size)
        move = tf.minimum(_level(tf.square(size), bounds, total), bounds) * size
    return tf.reshape(direction * move, tf.shape(x))


def _level(weights, bounds, total):
    """Solves sum_i weights_i * min(t, bounds_i) = total for t >= 0, row by row.

    The left side is concave in t, so Newton's method from 0 rises to the solution. It ends, as each
    step but the last passes a bound. Where total is out of reach, t is at least the largest bound.

    Args:
        weights, bounds: float [rows, n], >= 0.
        total: float [rows, 1], >= 0.

    Returns:
        float [rows, 1].
    """

    zero = tf.zeros_like(weights)

    def newton(level, _):
        free = bounds > level
        slope = tf.reduce_sum(tf.where(free, weights, zero), axis=1, keepdims=True)
        used = tf.reduce_sum(tf.where(free, zero, weights * bounds), axis=1, keepdims=True)
        higher = tf.where(slope > 0, tf.math.divide_no_nan(total - used, slope), level)
        higher = tf.maximum(higher, level)
        return higher, tf.reduce_any(higher > level)

    level, _ = tf.while_loop(
        lambda level, rising: rising,
        newton,
        (tf.zeros_like(total), tf.constant(True)),
        parallel_iterations=1,
    )
    return level
