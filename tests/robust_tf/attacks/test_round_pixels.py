"""8-bit images of attacked ones: on the grid, in ball and box, and what the network is shown."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.presets import Preset
from robust_tf.attacks.round_pixels import round_pixels
from robust_tf.threat_model import ThreatModel


def clean(count=5):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [count, 4, 4, 1]).astype(np.uint8)
    images[0, :2, :, 0] = [[0], [255]]
    return tf.constant(images / np.float32(255))


@pytest.mark.parametrize(
    "threat_model",
    [ThreatModel("8/255"), ThreatModel(0.3), ThreatModel(0.15), ThreatModel(0.02, "l2")]
    + [ThreatModel(0.5, "l2")],
    ids=str,
)
def test_on_the_grid_in_ball_and_box(threat_model):
    x = clean()
    x_adv = threat_model.random_start(x, randomness.key(0, 0, "test"))
    x_adv = threat_model.project(x + 3 * (x_adv - x), x)
    rounded = round_pixels(x_adv, x, threat_model)
    assert np.all(threat_model.contains(rounded, x))
    levels = rounded.numpy() * 255
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)
    assert np.max(np.abs(rounded - x_adv)) < 1.001 / 255
    np.testing.assert_array_equal(round_pixels(rounded, x, threat_model), rounded)
    any_size = 2 * [tf.TensorSpec([None, 4, 4, 1])]
    traced = tf.function(lambda *both: round_pixels(*both, threat_model), any_size, autograph=False)
    np.testing.assert_allclose(traced(x_adv, x), rounded, atol=1e-6)


def test_the_nearest_level_where_the_ball_allows_it():
    """eps is 38.25 levels: from 100 up to 138.25 is nearest 138, down to 61.75 would be 62."""
    x = tf.constant([[100.0, 100.0, 100.0, 100.0]]) / 255
    x_adv = tf.constant([[100.6, 99.4, 138.25, 61.75]]) / 255
    for threat_model, expected in [
        (ThreatModel(0.15), [101, 99, 138, 62]),
        (ThreatModel(0.3 / 255), [100, 100, 100, 100]),
        (ThreatModel(1.0, "l2"), [101, 99, 138, 62]),
        # To the nearest the distance would be sqrt(1 + 1 + 38^2 + 38^2) = 53.759 levels.
        (ThreatModel(53.75 / 255, "l2"), [100, 100, 138, 62]),
    ]:
        levels = round_pixels(x_adv, x, threat_model) * 255
        np.testing.assert_allclose(levels, [expected], atol=1e-3)


def test_a_rounded_preset_rounds_what_its_attack_made():
    threat_model, x = ThreatModel("8/255"), clean(1)

    class Shift:
        def __init__(self):
            self.threat_model = threat_model

        def perturb(self, logits_fn, x, y, key):
            return threat_model.project(x + 0.6 / 255, x)

    for rounded, levels in ((False, 0.6), (True, 1.0)):
        x_adv = Preset("shift", Shift(), rounded=rounded).perturb(None, x, None, None)
        np.testing.assert_allclose(x_adv, np.minimum(x + levels / 255, 1), atol=1e-6)
