"""APGD on objectives whose best point is known."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.objective import Objective
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
X = tf.constant(np.random.default_rng(0).uniform(0.3, 0.7, [5, 3, 3, 1]), tf.float32)
TARGET = X + tf.constant(np.random.default_rng(1).uniform(-0.2, 0.2, X.shape), tf.float32)


class Nearness(Objective):
    """Minus the squared distance to a target."""

    def __call__(self, x):
        return -tf.reduce_sum(tf.square(x - TARGET), axis=[1, 2, 3])


def test_it_finds_the_point_of_the_box_nearest_to_the_target():
    found = tf.function(APGD(ThreatModel(0.1), steps=60).ascend)(Nearness(), X, key=KEY)
    best = tf.clip_by_value(TARGET, X - 0.1, X + 0.1)
    np.testing.assert_allclose(found, best, atol=2e-3)


class PairNearness(Objective):
    """Of pairs of images: all first ones, then all second ones."""

    def __call__(self, x):
        return -tf.add_n(
            [tf.reduce_sum(tf.square(part - TARGET), [1, 2, 3]) for part in tf.split(x, 2)]
        )


def test_the_images_of_an_item_go_to_its_best_point_together():
    pairs = tf.concat([X, tf.reverse(X, [0])], axis=0)
    found = APGD(ThreatModel(0.1), steps=60).ascend(PairNearness(), pairs, key=KEY)
    best = tf.clip_by_value(tf.concat([TARGET, TARGET], axis=0), pairs - 0.1, pairs + 0.1)
    np.testing.assert_allclose(found, best, atol=2e-3)


@pytest.mark.parametrize("norm, eps", [("linf", 0.1), ("l2", 0.3)])
def test_ball_key_and_start(norm, eps):
    threat = ThreatModel(eps, norm)
    attack = APGD(threat, steps=1)
    found, again = (attack.ascend(Nearness(), X, key=KEY) for _ in range(2))
    other = attack.ascend(Nearness(), X, key=randomness.key(1, 0, "test"))
    assert np.all(threat.contains(found, X))
    np.testing.assert_array_equal(found, again)
    assert np.any(found != other)


def test_the_best_point_is_returned_not_the_last():
    """Steps of 2 eps overshoot: every further step is a chance, never a loss."""
    values = [
        Nearness()(APGD(ThreatModel(0.1), steps=steps).ascend(Nearness(), X, key=KEY)).numpy()
        for steps in (1, 2, 3)
    ]
    start = Nearness()(ThreatModel(0.1).random_start(X, KEY)).numpy()
    assert (values[0] >= start).all()
    assert (values[1] >= values[0]).all() and (values[2] >= values[1]).all()
