"""Hardness, triplet loss and the value of the hardness objective on six points of a circle."""

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.defenses.objectives import HardnessObjective
from robust_tf.distances import euclidean
from robust_tf.losses.triplet import hardness, triplet_loss

ANGLES = np.radians([0, 30, 20, 36, 150, 165])
E6 = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
T1 = [(0, 1, 4), (2, 3, 5), (4, 5, 0)]
T2 = [(0, 1, 3), (2, 3, 0), (4, 5, 1)]
T3 = [(0, 1, 2), (2, 3, 1), (4, 4, 3)]
T4 = [(0, 1, 2), (2, 3, 1), (4, 5, 3)]
G_B = [-0.050396, -0.018950, -1.420998]


def members(triplets):
    """Embeddings of anchors, positives and negatives."""
    return [tf.constant(E6[list(role)]) for role in zip(*triplets)]


@pytest.mark.parametrize("distance", [None, euclidean])
@pytest.mark.parametrize(
    "triplets, expected, losses, mean",
    [
        (T1, [-1.414214, -1.629088, -1.670799], [0, 0, 0], 0),
        (T2, [-0.100396, -0.068950, -1.470998], [0.099604, 0.131050, 0], 0.076885),
        (T3, [0.170342, 0.104035, -1.677341], [0.370342, 0.304035, 0], 0.224792),
        (T4, [0.170342, 0.104035, -1.416289], [0.370342, 0.304035, 0], 0.224792),
    ],
    ids=["T1", "T2", "T3", "T4"],
)
def test_hardness_and_loss(triplets, expected, losses, mean, distance):
    settings = {"distance": distance} if distance else {}
    tolerance = 2e-6 if distance else 5e-6
    found = triplet_loss(*members(triplets), 0.2, **settings)
    np.testing.assert_allclose(hardness(*members(triplets), **settings), expected, atol=tolerance)
    np.testing.assert_allclose(found, losses, atol=tolerance)
    np.testing.assert_allclose(tf.reduce_mean(found), mean, atol=tolerance)


def test_gradients_of_the_triplet_loss():
    roles = members([(0, 1, 2)])
    with tf.GradientTape() as tape:
        tape.watch(roles)
        loss = triplet_loss(*roles, 0.2)
    expected = [(0.085171, 0.018882), (-0.258819, 0.965926), (0.173648, -0.984808)]
    np.testing.assert_allclose(tf.concat(tape.gradient(loss, roles), 0), expected, atol=1e-5)


@pytest.mark.parametrize(
    "source, destination, values, mean, slopes",
    [
        (T1, T2, [1.726117, 2.434029, 0.039920], 1.400022, [2.627635, 3.120275, 0.399602]),
        (T3, T2, [0, 0, 0.042577], 0.014192, [0, 0, 0.412685]),
        (T2, T4, [0.073299, 0.029924, 0.002993], 0.035405, [0.541475, 0.345970, 0.109419]),
        (T2, 0.0, [0.010079, 0.004754, 2.163836], 0.726223, [0.200792, 0.137900, 2.941997]),
        (T2, -0.1, [0.000000157, 0, 1.879637], 0.626546, [0.000792, 0, 2.741997]),
        (T3, -0.2, [0, 0, 2.182537], 0.727512, [0, 0, 2.954682]),
        (T1, G_B, [1.859999, 2.592543, 0.062400], 1.504981, [2.727635, 3.220275, 0.499602]),
    ],
)
def test_hardness_objective(source, destination, values, mean, slopes):
    if destination in (T2, T4):
        destination = hardness(*members(destination), euclidean)
    destination = tf.broadcast_to(tf.constant(destination, tf.float64), [3])
    objective = HardnessObjective(lambda x: x, destination, tf.fill([3], True), euclidean)
    found = objective(tf.concat(members(source), 0))
    np.testing.assert_allclose(-found, values, atol=2e-6)
    np.testing.assert_allclose(-tf.reduce_mean(found), mean, atol=2e-6)
    current = hardness(*members(source), euclidean)
    missing = tf.maximum(destination - current, 0.0)
    np.testing.assert_allclose(2.0 * missing, slopes, atol=2e-6)
