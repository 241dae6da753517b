"""N-FGSM, and attacks in a ball that grows while a network trains."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.noisy_fgsm import NoisyFGSM
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
X = tf.constant(np.random.default_rng(0).random([16, 6]), tf.float32)
SLOPE = tf.constant([1.0, -1.0, 2.0, -2.0, 1.0, 0.0])


class Quadratic(Objective):
    """Ascends slope.x + x.x / 2, whose gradient has another sign elsewhere."""

    def __call__(self, x):
        return tf.reduce_sum(SLOPE * x + x**2 / 2 - x, axis=1)


def test_n_fgsm_is_one_step_from_a_noisy_image_without_projection():
    """De Jorge et al. 2022, algorithm 1: noise in 2 eps, step eps; the noise may lie outside."""
    ball = ThreatModel(0.05)
    noise = 2 * ball.random_offset(X, KEY).numpy()
    noisy = X + noise
    expected = np.clip(noisy + 0.05 * np.sign(SLOPE + noisy - 1), 0, 1)
    found = NoisyFGSM(ball).ascend(Quadratic(), X, key=KEY)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    distance = np.abs(found - X).max()
    assert 0.1 < distance <= 0.15 + 1e-6


def test_fgsm_rs_is_one_long_step_from_a_random_start():
    """Wong et al. 2020: noise in eps, not brought into the box; step 1.25 eps, then the ball."""
    ball = ThreatModel(0.3)
    black = tf.zeros_like(X)
    noise = ball.random_offset(black, KEY).numpy()
    moved = np.clip(noise + 0.375 * np.sign(SLOPE + noise - 1), -0.3, 0.3)
    attack = NoisyFGSM(ball, noise=1.0, step=1.25, projected=True)
    found = attack.ascend(Quadratic(), black, key=KEY).numpy()
    np.testing.assert_allclose(found, np.clip(moved, 0, 1), atol=1e-6)
    between = (found > 0.01) & (found < 0.29)
    assert between.mean() > 0.03  # a start clipped to the box would leave corners only


def test_n_fgsm_is_no_attack_to_evaluate_with():
    with pytest.raises(UserError, match="evaluate with PGD"):
        NoisyFGSM(eps=0.1)(lambda x: x, X, np.zeros(16, int))


@pytest.mark.parametrize("settings", [{"step": 0}, {"step": -1}, {"noise": -1}])
def test_a_step_of_no_length_is_refused(settings):
    with pytest.raises(ValueError, match="expected noise >= 0 and step > 0"):
        NoisyFGSM(eps=0.1, **settings)


@pytest.mark.parametrize(
    "attack", [lambda ball: PGD(ball, 3), NoisyFGSM, lambda ball: APGD(ball, steps=5)]
)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_scaled(attack, norm):
    """Half the radius, in a graph that does not know the half."""
    whole, half = (attack(ThreatModel(eps, norm)) for eps in (0.2, 0.1))

    @tf.function(autograph=False)
    def grow(share):
        return whole.scaled(share).ascend(Quadratic(), X, key=KEY)

    expected = half.ascend(Quadratic(), X, key=KEY)
    np.testing.assert_allclose(grow(tf.constant(0.5)), expected, atol=1e-6)
    assert whole.threat_model.eps == 0.2  # the original stays
