import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from robust_tf.losses.weight_decay import decayed_kernels, l2_weight_decay


@pytest.fixture
def nested():
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Flatten()]
    )
    image = keras.Input((4, 4, 3))
    out = layers.Dense(5)(layers.ReLU()(inner(image)))
    return keras.Model(image, out)


def test_kernels_of_nested_models_and_nothing_else(nested):
    assert [kernel.shape for kernel in decayed_kernels(nested)] == [(3, 3, 3, 2), (8, 5)]


class Block(layers.Layer):
    """A user's own layer of layers."""

    def __init__(self):
        super().__init__()
        self.inner = [layers.Conv2D(3, 1), layers.BatchNormalization()]

    def call(self, images):
        return self.inner[1](self.inner[0](images))


def test_kernels_of_blocks_wrappers_and_separable_convolutions():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            Block(),
            layers.SpectralNormalization(layers.Conv2D(2, 1)),
            layers.SeparableConv2D(5, 3),
            layers.DepthwiseConv2D(2),
        ]
    )
    shapes = [(1, 1, 3, 3), (1, 1, 3, 2), (3, 3, 2, 1), (1, 1, 2, 5), (2, 2, 5, 1)]
    assert [kernel.shape for kernel in decayed_kernels(model)] == shapes


def test_a_kernel_that_is_used_twice_counts_once():
    image, dense = keras.Input((3,)), layers.Dense(3)
    model = keras.Model(image, keras.Sequential([dense])(dense(image)))
    assert len(decayed_kernels(model)) == 1


def test_value_is_half_the_sum_of_squares():
    kernels = [keras.Variable([[1.0, 2.0], [3.0, 4.0]]), keras.Variable([[2.0]])]
    assert float(l2_weight_decay(kernels)) == 17.0


def test_gradient_is_the_kernel(nested):
    kernels = decayed_kernels(nested)
    with tf.GradientTape() as tape:
        value = l2_weight_decay(kernels)
    gradients = tape.gradient(value, nested.trainable_variables)

    assert value.dtype == tf.float32
    for variable, gradient in zip(nested.trainable_variables, gradients):
        if any(variable is kernel for kernel in kernels):
            np.testing.assert_allclose(gradient, variable, rtol=1e-6)
        else:
            assert gradient is None


def test_full_precision_under_a_mixed_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = keras.Sequential([keras.Input((3,)), layers.Dense(3)])
    finally:
        keras.config.set_dtype_policy(before)
    assert l2_weight_decay(decayed_kernels(model)).dtype == tf.float32
