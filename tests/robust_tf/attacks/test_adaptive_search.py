"""The two conditions of APGD on sequences of losses, each with its step sizes by hand."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.adaptive_search import NO_CHECK, StepSize, check_intervals


@pytest.mark.parametrize(
    "steps, checkpoints",
    [
        (100, [22, 41, 57, 70, 80, 87, 93, 99]),
        (10, [3, 5, 6, 7, 8, 9, 10]),
        (1, [1]),
    ],
)
def test_checkpoints(steps, checkpoints):
    intervals = check_intervals(steps)
    assert len(intervals) == steps + 1 and intervals[0] == 0
    checks = np.flatnonzero(intervals != NO_CHECK)
    np.testing.assert_array_equal(checks, [0, *checkpoints])
    np.testing.assert_array_equal(intervals[checks], np.diff(checks, prepend=0))


def sizes(losses, intervals, rho=0.75):
    """Step size after each of one image's losses, and where the search went back to the best."""
    state, history, restarts = StepSize.start(tf.constant([1.0])), [], []
    for loss, interval in zip(losses, intervals, strict=True):
        state, restart = state.update(tf.constant([loss], tf.float32), interval, rho)
        history.append(float(state.size[0]))
        restarts.append(bool(restart[0]))
    return history, restarts


EVERY_FOUR = [0, *[NO_CHECK] * 3, 4, *[NO_CHECK] * 3, 4, *[NO_CHECK] * 3, 4]


def test_steady_rise_keeps_the_step_size():
    history, restarts = sizes(np.arange(13.0), EVERY_FOUR)
    assert history == [1.0] * 13 and not any(restarts)


def test_condition_1_fewer_than_three_quarters_of_the_steps_rise():
    three_of_four = [0.0, 1, 2, 1, 3]
    assert sizes(three_of_four, EVERY_FOUR[:5])[0] == [1.0] * 5
    two_of_four = [0.0, 1, 0, 1, 1]  # standing still is no rise
    assert sizes(two_of_four, EVERY_FOUR[:5]) == ([1.0] * 4 + [0.5], [False] * 4 + [True])


def test_condition_1_counts_afresh_after_each_checkpoint():
    losses = [0.0, 1, 2, 3, 4, 5, 4, 5, 4]  # 4 rises, then 2
    assert sizes(losses, EVERY_FOUR[:9])[0] == [1.0] * 8 + [0.5]


def test_condition_2_no_better_value_since_the_checkpoint_before():
    """5 -> 1 then rises by each step: never above 5, although 3 of 4 steps rise."""
    losses = [2.0, 3, 4, 4.5, 5, 1, 2, 3, 4]
    assert sizes(losses, EVERY_FOUR[:9])[0] == [1.0] * 8 + [0.5]


def test_condition_2_holds_at_the_first_checkpoint_too():
    assert sizes([5.0, 1, 2, 3, 4], EVERY_FOUR[:5])[0] == [1.0] * 4 + [0.5]


def test_condition_2_spares_the_interval_after_a_halving():
    """Halved at the first check; no better value after, but 3 of 4 rises: waits one interval."""
    losses = [5.0, 1, 0, 1, 0, 1, 2, 3, 4, 1, 2, 3, 4]
    history, restarts = sizes(losses, EVERY_FOUR)
    assert np.flatnonzero(restarts).tolist() == [4, 12]
    assert history == [1.0] * 4 + [0.5] * 8 + [0.25]


def test_after_a_halving_the_next_value_is_compared_with_the_best():
    """At the check the search returns to the point worth 5, so 4 after it is no rise: 2 of 4."""
    losses = [0.0, 5, 1, 0, 0, 4, 5.5, 6, 5]
    assert sizes(losses, EVERY_FOUR[:9])[1] == [False] * 4 + [True] + [False] * 3 + [True]


def test_images_are_decided_apart():
    state = StepSize.start(tf.constant([1.0, 1.0]))
    for values, interval in zip([[0.0, 0.0], [1, -1], [2, -2]], [0, NO_CHECK, 2], strict=True):
        state, restart = state.update(tf.constant(values, tf.float32), interval, 0.75)
    np.testing.assert_array_equal(state.size, [1.0, 0.5])
    np.testing.assert_array_equal(restart, [False, True])
    np.testing.assert_array_equal(state.best, [2.0, 0.0])
