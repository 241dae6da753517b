"""One run of APGD on any value per image (AutoAttack, Croce and Hein 2020, algorithm 1)."""

from typing import NamedTuple

import tensorflow as tf

from robust_tf.attacks.apgd_step_size import StepSize, check_intervals
from robust_tf.attacks.select_images import select_images

# Share of the new direction in a step; the rest is the step before (alpha of the paper).
NEW_DIRECTION = 0.75


class Found(NamedTuple):
    """What the search sees at a point, all [batch, ...].

    Attributes:
        values: float [batch], to ascend.
        gradient: of each value, like the images.
        done: bool [batch], the images that need no search any more.
    """

    values: tf.Tensor
    gradient: tf.Tensor
    done: tf.Tensor


class Search(NamedTuple):
    """Where a run is; `best` is the point of the highest value, or the one that was done."""

    x_adv: tf.Tensor
    previous: tf.Tensor
    best: tf.Tensor
    best_gradient: tf.Tensor
    step_size: StepSize
    standing: tf.Tensor


class AdaptiveSearch:
    """Projected gradient ascent with momentum that halves its steps and returns to its best point.

    Steps start at 2 eps; at fixed checkpoints those of an image are halved if the value no longer
    rises enough, see apgd_step_size.

    Args:
        threat_model: a ThreatModel.
        steps: gradient steps, >= 1.
        rho: share of the steps between two checkpoints that must raise the value.
    """

    def __init__(self, threat_model, steps, rho=0.75):
        self.threat_model = threat_model
        self.steps = steps
        self.rho = rho

    def __call__(self, look, x, start, standing):
        """Searches the ball around `x` from `start`.

        Args:
            look: images [batch, ...] to `Found`.
            x: float [batch, ...], the clean images.
            start: like x, in ball and box.
            standing: bool [batch], the images to search for.

        Returns:
            `Search`; its `standing` is false for the images that were done.
        """
        intervals = tf.constant(check_intervals(self.steps))
        start = tf.ensure_shape(start, x.shape)
        sizes = tf.fill(tf.shape(standing), tf.constant(2 * self.threat_model.eps, x.dtype))

        def ascend(step, search):
            values, gradient, done = look(search.x_adv)
            better = search.standing & (done | (values > search.step_size.best))
            best = select_images(better, search.x_adv, search.best)
            best_gradient = select_images(better, gradient, search.best_gradient)
            sizes, halved = search.step_size.update(values, intervals[step], self.rho)
            # An image that is done is no longer looked at: it may move on, its best stays.
            point = select_images(halved, best, search.x_adv)
            slope = select_images(halved, best_gradient, gradient)
            moved = self._step(x, point, slope, search.previous, sizes.size, step)
            going = search.standing & ~done
            return step + 1, Search(moved, point, best, best_gradient, sizes, going)

        first = Search(start, start, start, tf.zeros_like(x), StepSize.start(sizes), standing)
        # The last pass only looks at the point of the last step.
        _, search = tf.while_loop(
            lambda step, search: tf.reduce_any(search.standing),
            ascend,
            (tf.constant(0), first),
            parallel_iterations=1,
            maximum_iterations=self.steps + 1,
        )
        return search

    def _step(self, x, point, slope, previous, sizes, step):
        """The step with momentum; the first has none."""
        size = tf.reshape(sizes, [-1] + [1] * (x.shape.rank - 1))
        project = self.threat_model.project
        target = project(self.threat_model.step(point, slope, size), x)
        mixed = NEW_DIRECTION * (target - point) + (1 - NEW_DIRECTION) * (point - previous)
        moved = tf.where(step == 0, target, project(point + mixed, x))
        return tf.ensure_shape(moved, x.shape)
