"""The step size of APGD (AutoAttack, Croce and Hein 2020, section 3 and algorithm 1)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

NO_CHECK = -1


def check_intervals(steps):
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
    """What decides about the step sizes; every field is [batch].

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
    def start(cls, size):
        """The state before the first value is known; `size` is float [batch]."""
        lowest = tf.fill(tf.shape(size), tf.constant(-np.inf, size.dtype))
        none = tf.zeros_like(size, tf.int32)
        return cls(size, -lowest, lowest, none, lowest, tf.zeros_like(size, tf.bool))

    def update(self, values, interval, rho):
        """Takes the values [batch] of the new points.

        At a checkpoint a step size is halved if (1) fewer than rho * interval steps raised the
        value, or (2) it was not halved at the checkpoint before and no better value came since.
        The search then goes on from the best point.

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
