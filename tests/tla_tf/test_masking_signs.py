"""Each sign on a linear network, which masks nothing, and on one that masks."""

import pathlib
import runpy

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.checks.masking_signs import signs_of_batch
from robust_tf.threat_model import ThreatModel

pytestmark = pytest.mark.usefixtures("eager")

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "masking_study.py"
SIGNS = runpy.run_path(str(TOOL))["SIGNS"]
BALL = ThreatModel(0.2)
IMAGES = tf.constant(np.random.default_rng(0).uniform(0.3, 0.7, [64, 4, 4, 1]), tf.float32)
SLOPE = tf.constant(np.random.default_rng(1).choice([-1.0, 1.0], [16]), tf.float32)


def margin(images):
    return tf.linalg.matvec(tf.reshape(images, [-1, 16]), SLOPE)


def two_classes(margins):
    return tf.stack([margins, -margins], axis=1)


def linear(images):
    return two_classes(8 * margin(images))


LABELS = tf.cast(margin(IMAGES) < 0, tf.int32)


def rough(images):
    """Linear but for ripples, whose slope at a point says nothing of what is farther off."""
    ripples = tf.reduce_sum(tf.sin(300 * tf.reshape(images, [-1, 16])), axis=1)
    return two_classes(8 * margin(images) + 0.2 * ripples)


def flat(images):
    """Steps of the same height: no gradient anywhere."""
    return two_classes(tf.round(8 * margin(images)) + 0 * margin(images))


def narrow(images):
    """The second class wins in a narrow band alone, which PGD of large steps leaps over."""
    return two_classes(tf.abs(margin(images)) - 0.1)


def signs(network, labels=LABELS):
    look = tf.function(signs_of_batch(network, labels, BALL, SIGNS), autograph=False)
    rows = tf.range(len(IMAGES))
    found = look(IMAGES, rows, randomness.image_keys(0, "test", rows))
    assert all(values.shape == [64] for values in found.values())
    return {name: float(tf.reduce_mean(values)) for name, values in found.items()}


def test_a_linear_network_shows_none():
    assert signs(linear) == pytest.approx(dict.fromkeys(SIGNS, 0.0), abs=1e-5)


def test_ripples_turn_the_gradients():
    found = signs(rough)
    assert found["turning_gradients"] > 0.7 and found["zero_gradients"] == 0
    assert found["few_queries"] > 0.5 and found["step_sizes"] > 0.1


def test_small_steps_find_what_usual_ones_leap_over():
    found = signs(narrow, tf.zeros_like(LABELS))
    assert found["step_sizes"] > 0.3 and found["zero_gradients"] == 0


def test_a_network_of_steps_has_no_gradient_and_falls_to_queries():
    found = signs(flat)
    assert found["zero_gradients"] == 1 and found["turning_gradients"] == 1
    assert found["few_queries"] > 0.3 and found["step_sizes"] < 0.2
