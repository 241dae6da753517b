from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.models.classifier import image_input
from robust_tf.models.per_image_standardization import (
    PerImageStandardization,
    per_image_standardization,
)


@pytest.mark.parametrize(
    "pixels, expected",
    [
        ([10, 20, 30, 60], [-1.069045, -0.534522, 0, 1.603567]),
        ([0, 0, 0, 1], [-0.5, -0.5, -0.5, 1.5]),  # the floor 1/2 exceeds the std 0.433
        ([7, 7, 7, 7], [0, 0, 0, 0]),
    ],
)
def test_values(pixels, expected):
    image = tf.reshape(tf.constant(pixels, tf.float64) / 255, [1, 2, 2, 1])
    found = tf.reshape(per_image_standardization(image), [-1])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_image_by_itself_over_all_channels():
    images = np.random.default_rng(0).uniform(size=(3, 4, 5, 2)).astype(np.float32)
    expected = tf.image.per_image_standardization(255 * images)
    np.testing.assert_allclose(PerImageStandardization()(images), expected, atol=1e-5)


def test_gradient_of_a_constant_image_is_finite():
    image = tf.fill([1, 4, 4, 3], 0.5)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(per_image_standardization(image)[:, 0])
    assert np.isfinite(tape.gradient(value, image)).all()


def test_mixed_precision_does_not_reach_it():
    info = SimpleNamespace(image_shape=(4, 4, 3), standardize=True)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = keras.Model(*image_input(info))
    finally:
        keras.config.set_dtype_policy(before)
    images = np.random.default_rng(0).uniform(size=(2, 4, 4, 3)).astype(np.float32)

    assert layer(images).dtype == tf.float32
    np.testing.assert_allclose(layer(images), per_image_standardization(images), atol=1e-6)
