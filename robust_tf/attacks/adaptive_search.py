"""One run of APGD on any value per image (AutoAttack, Croce and Hein 2020, algorithm 1)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from robust_tf.attacks.objective import per_image
from robust_tf.attacks.packed_loop import packed_loop
from robust_tf.attacks.select_images import select_images
from robust_tf.threat_model import ThreatModel

# Share of the new direction in a step; the rest is the step before (alpha of the paper).
NEW_DIRECTION = 0.75
NO_CHECK = -1


def check_intervals(steps: int) -> np.ndarray:
    """Returns int32 [steps + 1]: at a checkpoint w_j the value w_j - w_{j-1}, else NO_CHECK.

    w_j = ceil(p_j * steps) with p_0 = 0, p_1 = 0.22 and
    p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06); there is nothing to decide at w_0 = 0.
    """
    intervals = np.full(steps + 1, NO_CHECK, np.int32)
    intervals[0] = last = 0
    # In hundredths: floats would push ceil over an integer.
    percent, gap = 22, 22
    while percent <= 100:
        check = -(-percent * steps // 100)
        if check > last:
            intervals[check] = check - last
        last, gap = check, max(gap - 3, 6)
        percent += gap
    return intervals


class StepSize(NamedTuple):
    """State of the step sizes (AutoAttack, section 3); every field is [batch].

    The authors' code differs in three details. It halves at equality in condition (1) too. It
    leaves condition (2) out at the first checkpoint. It compares the first value after a return
    with the value that was left.

    Attributes:
        size: the step size, in pixel units.
        value: the objective at the point the next step starts from.
        best: the highest value so far.
        rises: steps since the last checkpoint that raised the value.
        best_at_check: `best` at the last checkpoint.
        halved: whether the step size was halved there.
    """

    size: tf.Tensor
    value: tf.Tensor
    best: tf.Tensor
    rises: tf.Tensor
    best_at_check: tf.Tensor
    halved: tf.Tensor

    @classmethod
    def start(cls, size: tf.Tensor) -> "StepSize":
        """The state before the first value is known; `size` is float [batch]."""
        lowest = tf.fill(tf.shape(size), tf.constant(-np.inf, size.dtype))
        none = tf.zeros_like(size, tf.int32)
        return cls(size, -lowest, lowest, none, lowest, tf.zeros_like(size, tf.bool))

    def update(
        self, values: tf.Tensor, interval: tf.Tensor, rho: float
    ) -> tuple["StepSize", tf.Tensor]:
        """Takes the values [batch] of the new points.

        A checkpoint halves a step size in two cases. (1) Fewer than rho * interval steps raised the
        value. (2) The checkpoint before did not halve it, and no better value came since. The
        search then goes on from the best point.

        Args:
            values: float [batch], the objective at the new points.
            interval: int scalar of `check_intervals`.
            rho: float, the share of steps that must raise the value.

        Returns:
            The new StepSize, and bool [batch]: whether it was halved just now.
        """
        best = tf.maximum(self.best, values)
        rises = self.rises + tf.cast(values > self.value, tf.int32)
        is_check = tf.not_equal(interval, NO_CHECK)
        few = tf.cast(rises, values.dtype) < rho * tf.cast(interval, values.dtype)
        stuck = ~self.halved & (best <= self.best_at_check)
        restart = is_check & (few | stuck)
        state = StepSize(
            size=tf.where(restart, self.size / 2, self.size),
            value=tf.where(restart, best, values),
            best=best,
            rises=tf.where(is_check, 0, rises),
            best_at_check=tf.where(is_check, best, self.best_at_check),
            halved=tf.where(is_check, restart, self.halved),
        )
        return state, restart


class Found(NamedTuple):
    """What the search sees at a point, all [batch, ...].

    Attributes:
        values: float [batch], to ascend.
        gradient: Gradient of each value, like the images.
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


def adaptive_search(
    look: Callable[[tf.Tensor, Any], Found],
    x: tf.Tensor,
    start: tf.Tensor,
    active: tf.Tensor,
    items: Any = (),
    *,
    ball: ThreatModel,
    steps: int,
    rho: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Projected gradient ascent with momentum that halves its steps and returns to its best point.

    Steps start at 2 eps; at fixed checkpoints the step size of an image is halved if the value no
    longer rises enough, see `StepSize`.

    Args:
        look: function (images [batch, ...], items) -> `Found`.
        x: float [batch, ...], the clean images.
        start: like x, in ball and box.
        active: bool [batch], the images to search for.
        items: structure of tensors [batch, ...], what `look` needs beside an image. The batch that
            `look` gets may be a part of all images, see `packed_loop`.
        ball: `ThreatModel`.
        steps: number of gradient steps, >= 1.
        rho: share of the steps between two checkpoints that must raise the value.

    Returns:
        The point of the highest value, or the one that was done, like x; and bool [batch], false
        for the images that were done.
    """
    intervals = tf.constant(check_intervals(steps))
    start = tf.ensure_shape(start, x.shape)
    sizes = tf.fill(tf.shape(active), tf.cast(2 * ball.eps, x.dtype))

    def ascend(step, fixed, search, active):
        x, items = fixed
        values, gradient, done = look(search.x_adv, items)
        better = active & (done | (values > search.step_size.best))
        best = select_images(better, search.x_adv, search.best)
        best_gradient = select_images(better, gradient, search.best_gradient)
        sizes, halved = search.step_size.update(values, intervals[step], rho)
        # An image that is done is no longer looked at: it may move on, its best stays.
        point = select_images(halved, best, search.x_adv)
        slope = select_images(halved, best_gradient, gradient)
        moved = _with_momentum(ball, x, point, slope, search.previous, sizes.size, step)
        return Search(moved, point, best, best_gradient, sizes), active & ~done

    first = Search(start, start, start, tf.zeros_like(x), StepSize.start(sizes))
    # The last pass only looks at the point of the last step.
    return packed_loop(
        ascend, (x, items), first, active, limit=steps + 1, result=lambda search: search.best
    )


def _with_momentum(ball, x, point, slope, previous, sizes, step):
    """The step with momentum; the first has none."""
    target = ball.project(ball.step(point, slope, per_image(sizes, x)), x)
    mixed = NEW_DIRECTION * (target - point) + (1 - NEW_DIRECTION) * (point - previous)
    moved = select_images(step == 0, target, ball.project(point + mixed, x))
    return tf.ensure_shape(moved, x.shape)
