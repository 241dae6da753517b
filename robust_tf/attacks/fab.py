"""FAB, which looks for the nearest misclassified image.

Croce and Hein 2020, Minimally distorted adversarial examples with a fast adaptive boundary attack;
targeted as in AutoAttack.
"""

import tensorflow as tf

from robust_tf.attacks.hyperplane import step_to_hyperplane
from robust_tf.attacks.logit_gradient import logit_gradient
from robust_tf.attacks.objectives import correct, likeliest_others, logit_difference
from robust_tf.attacks.select_images import select_images
from robust_tf.randomness import Shard

# Below this a distance does not count in the mixing weight, as in the authors' code.
SHORTEST = 1e-8


class FAB:
    """Targeted FAB: towards the decision boundary with each of the likeliest other classes.

    A step linearises the boundary at the point, goes there from the point and from the clean image,
    a little too far, and mixes the two; a misclassified point is then pulled towards the image.

    Args:
        threat_model: a ThreatModel; norm and box guide the search, eps only decides what counts.
        steps: steps towards each target, >= 1.
        targets: number of target classes, at most one for each other class.
        alpha_max: largest weight of the way from the clean image.
        eta: overshoot beyond the boundary, >= 1.
        beta: where a misclassified point is pulled back to, between clean image (0) and point (1).

    Raises:
        ValueError: a number out of its range.
    """

    def __init__(self, threat_model, *, steps=100, targets=9, alpha_max=0.1, eta=1.05, beta=0.9):
        if steps < 1 or targets < 1:
            raise ValueError(f"steps and targets must be >= 1, got {steps} and {targets}")
        if eta < 1 or not 0 <= alpha_max <= 1 or not 0 < beta < 1:
            raise ValueError(
                "expected eta >= 1, alpha_max in [0, 1] and beta in (0, 1), "
                f"got {eta}, {alpha_max} and {beta}"
            )
        self.threat_model = threat_model
        self.steps = steps
        self.targets = targets
        self.alpha_max = alpha_max
        self.eta = eta
        self.beta = beta

    def __repr__(self):
        return (
            f"FAB({self.threat_model}, steps={self.steps}, targets={self.targets}, "
            f"alpha_max={self.alpha_max:g}, eta={self.eta:g}, beta={self.beta:g})"
        )

    def __call__(self, logits_fn, x, y, *, key=None, shard=Shard()):
        """Attacks `x`; an image is left alone once a misclassified point in its ball is found.

        Args:
            logits_fn: images to logits [batch, classes].
            x: float [batch, ...], the clean images in the box of the threat model.
            y: int [batch], the true labels.
            key, shard: not used, as nothing is drawn at random: all runs start at the clean image.

        Returns:
            Images like `x`, in ball and box, without gradient: a misclassified point, or x itself
            where none was found or x is misclassified already.
        """
        x = tf.convert_to_tensor(x)
        eps = self.threat_model.eps
        nearest, distance = self._search(logits_fn, x, y, enough=eps)
        return tf.stop_gradient(select_images(distance <= eps, nearest, x))

    def nearest(self, logits_fn, x, y):
        """Returns the nearest misclassified images found and float [batch], how far they are.

        All steps are done, whatever eps. The distance is inf, and the image x, where there is none.
        """
        nearest, distance = self._search(logits_fn, tf.convert_to_tensor(x), y, enough=0.0)
        return tf.stop_gradient(nearest), tf.stop_gradient(distance)

    def _search(self, logits_fn, x, y, enough):
        y = tf.convert_to_tensor(y)
        logits = logits_fn(x)
        runs = min(self.targets, logits.shape[-1] - 1)
        targets = likeliest_others(logits, y, runs)
        none = tf.constant(float("inf"), x.dtype)

        def approach(number, point, nearest, distance):
            target = tf.gather(targets, number // self.steps, axis=1)
            point = select_images(number % self.steps == 0, x, point)
            moved = self._step(logits_fn, x, y, point, target)
            fooled = ~correct(logits_fn(moved), y)
            length = self.threat_model.distance(moved, x)
            nearer = fooled & (distance > enough) & (length < distance)
            pulled = select_images(fooled, x + self.beta * (moved - x), moved)
            nearest = select_images(nearer, moved, nearest)
            return number + 1, pulled, nearest, tf.where(nearer, length, distance)

        _, _, nearest, distance = tf.while_loop(
            lambda number, point, nearest, distance: tf.reduce_any(distance > enough),
            approach,
            (tf.constant(0), x, x, tf.where(correct(logits, y), none, 0.0)),
            parallel_iterations=1,
            maximum_iterations=runs * self.steps,
        )
        return nearest, distance

    def _step(self, logits_fn, x, y, point, target):
        _, gap, normal = logit_gradient(
            logits_fn, point, lambda logits: logit_difference(logits, target, y)
        )
        axes = list(range(1, x.shape.rank))
        gap_at_x = gap + tf.reduce_sum(normal * (x - point), axis=axes)
        from_point = step_to_hyperplane(point, normal, gap, self.threat_model)
        from_x = step_to_hyperplane(x, normal, gap_at_x, self.threat_model)
        near, far = (
            tf.maximum(self.threat_model.distance(step, tf.zeros_like(x)), SHORTEST)
            for step in (from_point, from_x)
        )
        alpha = tf.minimum(near / (near + far), self.alpha_max)
        alpha = tf.reshape(alpha, [-1] + [1] * len(axes))
        mixed = (1 - alpha) * (point + self.eta * from_point) + alpha * (x + self.eta * from_x)
        return tf.clip_by_value(mixed, self.threat_model.lower, self.threat_model.upper)
