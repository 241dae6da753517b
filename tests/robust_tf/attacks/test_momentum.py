"""The three forms of momentum on prescribed gradients, by hand and through the loop."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel

G = np.array([[0.2, -0.5, 0.1, -0.1], [-0.1, -0.2, 0.4, 0.3], [-0.3, 0.6, 0.2, -0.05]])
MOMENTA = {
    ("accumulate", 0.9): [G[0], [0.08, -0.65, 0.49, 0.21], [-0.228, 0.015, 0.641, 0.139]],
    ("accumulate", 1.0): [G[0], [0.1, -0.7, 0.5, 0.2], [-0.2, -0.1, 0.7, 0.15]],
    ("l1", 1.0): [
        [0.222222, -0.555556, 0.111111, -0.111111],
        [0.122222, -0.755556, 0.511111, 0.188889],
        [-0.138647, -0.233816, 0.685024, 0.145411],
    ],
    ("ema", 0.9): [G[0], [0.17, -0.47, 0.13, -0.06], [0.123, -0.363, 0.137, -0.059]],
}
MIM_ITERATES = {
    ("accumulate", 0.9): [[0.54, 0, 1, 0.36], [0.58, 0, 1, 0.40], [0.54, 0.04, 1, 0.44]],
    ("accumulate", 1.0): [[0.54, 0, 1, 0.36], [0.58, 0, 1, 0.40], [0.54, 0, 1, 0.44]],
    ("l1", 1.0): [[0.54, 0, 1, 0.36], [0.58, 0, 1, 0.40], [0.54, 0, 1, 0.44]],
    ("ema", 0.9): [[0.54, 0, 1, 0.36], [0.58, 0, 1, 0.32], [0.60, 0, 1, 0.30]],
}


class Prescribed(Objective):
    """Has the given gradients, one per step, wherever the image is."""

    def __init__(self, gradients):
        self.gradients = tf.constant(gradients)
        self.step = -1

    def __call__(self, x):
        self.step += 1
        return tf.reduce_sum(self.gradients[self.step] * x, axis=1)


@pytest.mark.parametrize("form, decay", MOMENTA)
def test_momentum_by_hand(form, decay):
    momentum, velocity = Momentum(decay, form), tf.zeros([1, 4], tf.float64)
    for step, expected in enumerate(MOMENTA[form, decay]):
        velocity = momentum(velocity, tf.constant(G[step : step + 1]), step)
        np.testing.assert_allclose(velocity, [expected], atol=1e-6)


@pytest.mark.parametrize("form, decay", MIM_ITERATES)
def test_mim_iterates(form, decay):
    x = tf.constant([[0.50, 0.02, 0.97, 0.40]], tf.float64)
    for steps, expected in enumerate(MIM_ITERATES[form, decay], 1):
        attack = PGD(
            ThreatModel(0.1), steps, 0.04, momentum=Momentum(decay, form), random_start=False
        )
        np.testing.assert_allclose(attack.ascend(Prescribed(G), x), [expected], atol=1e-9)


def test_l1_momentum_normalises_each_image_by_itself():
    gradient = tf.constant([[1.0, -3.0], [100.0, 300.0], [0.0, 0.0]])
    direction = Momentum(1.0, "l1")(tf.zeros([3, 2]), gradient, 0)
    np.testing.assert_allclose(direction, [[0.25, -0.75], [0.25, 0.75], [0.0, 0.0]])


def test_bad_momentum_is_refused():
    with pytest.raises(ValueError, match="accumulate, l1, ema"):
        Momentum(1.0, "nesterov")
    with pytest.raises(ValueError, match="decay"):
        Momentum(-0.1)
    with pytest.raises(ValueError, match="decay must be finite, >= 0 and < 1, got 1"):
        Momentum(1.0, "ema")
    with pytest.raises(ValueError, match="decay must be finite"):
        Momentum(float("nan"))
