"""The attacks of HM, min-max, ACT and EST on a linear network, move by move."""

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.defenses.objectives import (
    CollapseObjective,
    HardnessObjective,
    MinMaxObjective,
    ShiftObjective,
)
from robust_tf.attacks.pgd import PGD
from robust_tf.distances import euclidean, shifted_euclidean
from robust_tf.losses.triplet import hardness, triplet_loss
from robust_tf.threat_model import ThreatModel

W = tf.constant([[1, -0.5, 0.25], [0.5, 1, -0.75], [-0.25, 0.5, 1]], tf.float64)
IMAGES = tf.constant([[0.8, 0.4, 0.2], [0.7, 0.6, 0.3], [0.6, 0.5, 0.6]], tf.float64)
VALID = tf.constant([True])
FAR = [[0.86, 0.34, 0.26], [0.64, 0.66, 0.36], [0.66, 0.46, 0.54]]
BALL = ThreatModel(0.06)


def embed(images):
    return tf.linalg.normalize(images @ tf.transpose(W), axis=1)[0]


def value(images, distance=euclidean):
    return float(hardness(*tf.split(embed(images), 3), distance)[0])


def traced(objective, steps, size):
    """Returns the attacked images and the mean of the objective before every update."""
    trace, values = [], objective.values

    def noted(*roles):
        trace.append(float(tf.reduce_mean(values(*roles))))
        return values(*roles)

    objective.values = noted
    return PGD(BALL, steps, size, random_start=False).ascend(objective, IMAGES), trace


def test_the_toy_network():
    expected = [
        (0.690942, 0.690942, 0.212598),
        (0.492056, 0.751033, 0.440261),
        (0.538382, 0.376867, 0.753735),
    ]
    np.testing.assert_allclose(embed(IMAGES), expected, atol=2e-6)
    assert value(IMAGES) == pytest.approx(-0.335793, abs=2e-6)


def test_gradients_have_the_signs_of_the_hardness():
    objective = HardnessObjective(embed, tf.constant([-0.1], tf.float64), VALID, euclidean)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(IMAGES)
        ascended = objective(IMAGES)
        current = hardness(*tf.split(embed(IMAGES), 3), euclidean)
    assert float(ascended[0]) == pytest.approx(-0.055598, abs=2e-6)
    slopes = tape.gradient(current, IMAGES)
    expected = [
        (0.219768, -0.808071, 0.737068),
        (-0.879692, 0.803015, 0.446585),
        (0.930499, 0.113205, -1.024837),
    ]
    np.testing.assert_allclose(slopes, expected, atol=2e-6)
    np.testing.assert_allclose(tape.gradient(ascended, IMAGES), 0.471585 * slopes, atol=2e-6)


@pytest.mark.parametrize(
    "destination, steps, size, trace, final, images",
    [
        (
            *(-0.25, 8, 0.02, [0.007360, 0, 0], -0.220038),
            [[0.82, 0.38, 0.22], [0.68, 0.62, 0.32], [0.62, 0.52, 0.58]],
        ),
        (
            *(-0.1, 8, 0.02, [0.055598, 0.014409, 0.000049, 0, 0], 0.005130),
            [*FAR[:2], [0.66, 0.48, 0.54]],
        ),
        (2.0, 4, 0.02, [5.455927, 4.928569, 4.439341, 3.979505], 0.008922, FAR),
        (-0.25, 1, 0.06, [0.007360], -0.018320, [*FAR[:2], [0.66, 0.56, 0.54]]),
    ],
)
@pytest.mark.parametrize("distance", [euclidean, shifted_euclidean])
def test_hardness_traces(destination, steps, size, trace, final, images, distance):
    objective = HardnessObjective(embed, tf.constant([destination], tf.float64), VALID, distance)
    attacked, found = traced(objective, steps, size)
    tolerance = 2e-6 if distance is euclidean else 2e-5
    np.testing.assert_allclose(found, -np.array(trace), atol=tolerance)
    np.testing.assert_allclose(attacked, images, atol=1e-9)
    assert value(attacked) == pytest.approx(final, abs=2e-6)
    expected_loss = max(0.0, final + 0.2)
    loss = triplet_loss(*tf.split(embed(attacked), 3), 0.2, euclidean)
    assert float(loss[0]) == pytest.approx(expected_loss, abs=2e-6)


def test_a_constant_of_two_is_min_max():
    attack = PGD(BALL, 4, 0.02, random_start=False)
    attacked = attack.ascend(MinMaxObjective(embed, VALID), IMAGES)
    np.testing.assert_allclose(attacked, FAR, atol=1e-9)


def test_collapse():
    objective = CollapseObjective(embed, VALID, euclidean)
    pair = IMAGES[1:]
    attacked = PGD(BALL, 4, 0.02, random_start=False).ascend(objective, pair)
    distances = [-float(objective(x)[0]) for x in (pair, attacked)]
    np.testing.assert_allclose(distances, [0.490318, 0.221478], atol=2e-6)
    moves = [(-0.06, -0.06, 0.06), (0.06, 0.06, -0.06)]
    np.testing.assert_allclose(attacked - pair, moves, atol=1e-9)
    loss = triplet_loss(embed(IMAGES[:1]), *tf.split(embed(attacked), 2), 0.2, euclidean)
    assert float(loss[0]) == pytest.approx(0.035633, abs=2e-6)


def test_shift():
    objective = ShiftObjective(embed, IMAGES, embed(IMAGES))
    with tf.GradientTape() as tape:
        tape.watch(IMAGES)
        distance = objective(IMAGES)
    np.testing.assert_array_equal(tf.sign(-tape.gradient(distance, IMAGES))[0], [1, -1, -1])
    attacked = PGD(BALL, 4, 0.02, random_start=False).ascend(objective, IMAGES)
    shifts = euclidean(embed(attacked), embed(IMAGES))
    np.testing.assert_allclose(shifts, [0.136282, 0.127111, 0.146525], atol=5e-6)
    moves = [(-0.06, 0.06, 0.06), (-0.06, -0.06, 0.06), (0.06, 0.06, -0.06)]
    np.testing.assert_allclose(attacked - IMAGES, moves, atol=1e-9)
    assert value(attacked) == pytest.approx(-0.179411, abs=2e-6)


def test_jitter_decides_the_first_step_alone():
    jitter = tf.constant([[1e-3, 0, 0]] * 3, tf.float64)
    objective = ShiftObjective(embed, IMAGES, embed(IMAGES), jitter, distance=euclidean)
    np.testing.assert_allclose(objective(IMAGES), [1e-3] * 3)
    moved = IMAGES + [[0.01, 0, 0], [0, 0, 0], [0, 0, 0.01]]
    still = ShiftObjective(embed, IMAGES, embed(IMAGES), distance=euclidean)(moved)
    np.testing.assert_allclose(objective(moved), [still[0], 1e-3, still[2]])


def test_an_invalid_triplet_stays_clean():
    images = tf.repeat(IMAGES, 2, axis=0)
    valid = tf.constant([False, True])
    objective = HardnessObjective(embed, tf.constant([2.0, 2.0], tf.float64), valid)
    attacked = PGD(BALL, 4, 0.02, random_start=False).ascend(objective, images)
    np.testing.assert_array_equal(attacked[::2], IMAGES)
    np.testing.assert_allclose(attacked[1::2], FAR, atol=1e-9)


def test_a_shard_that_stands_still_stops_while_the_other_moves_on():
    """By steps of 1e-6 a small J changes by less than 1e-7: as on a device of its own, it ends."""
    attack, wanted = PGD(BALL, 5, 1e-6, random_start=False), [value(IMAGES) + 1e-3, 2.0]
    alone = [
        attack.ascend(
            HardnessObjective(embed, tf.constant([d], tf.float64), VALID, euclidean), IMAGES
        )
        for d in wanted
    ]
    assert [np.abs(x - IMAGES).max() for x in alone] == pytest.approx([2e-6, 5e-6])
    setting = embed, tf.constant(wanted, tf.float64), tf.repeat(VALID, 2), euclidean
    both = tf.repeat(IMAGES, 2, axis=0)
    apart, joint = (attack.ascend(HardnessObjective(*setting, shards=s), both) for s in (2, 1))
    np.testing.assert_array_equal(apart[::2], alone[0])
    np.testing.assert_array_equal(apart[1::2], alone[1])
    assert np.abs(joint[::2] - IMAGES).max() == pytest.approx(5e-6)


def test_the_loop_ends_with_the_last_shard():
    wanted = tf.constant([-0.25, -0.1], tf.float64)
    objective = HardnessObjective(embed, wanted, tf.repeat(VALID, 2), euclidean, shards=2)
    calls, values = [], objective.values
    objective.values = lambda *roles: calls.append(1) or values(*roles)
    PGD(BALL, 8, 0.02, random_start=False).ascend(objective, tf.repeat(IMAGES, 2, axis=0))
    assert len(calls) == 5  # of the second triplet; the first alone needs 3
