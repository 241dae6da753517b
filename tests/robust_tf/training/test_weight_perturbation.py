"""AWP against its formula on a quadratic, and what it leaves untouched."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.training.adversarial_model import AdversarialModel

EAGER = pytest.mark.usefixtures("eager")
IMAGES = np.array([[0.5, 0, 0], [0, 1, 1], [0.25, 0.25, 0]], np.float32)
LABELS = np.zeros(3, np.int32)
GAMMA, RATE, DECAY = 0.3, 0.1, 0.05
KERNEL = np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 2.0]], np.float32)
BIAS = np.array([0.5, -1.0], np.float32)


class Squares(AdversarialModel):
    """||x W + b||^2."""

    def __init__(self, network, **kw):
        super().__init__(network, term_weights={"square": 1.0}, **kw)

    def loss_terms(self, batch, crafted):
        logits = self.network(batch["image"], training=True)["logits"]
        return {"square": tf.reduce_sum(logits**2, axis=1)}, {}


def trained(optimizer=None, batch_norm=False, **settings):
    image = keras.Input([3], name="image")
    x = keras.layers.BatchNormalization(momentum=0.5)(image) if batch_norm else image
    dense = keras.layers.Dense(2)
    model = Squares(keras.Model(image, {"logits": dense(x)}), **settings)
    dense.set_weights([KERNEL, BIAS])
    model.compile(optimizer=optimizer or keras.optimizers.SGD(RATE))
    history = model.fit(IMAGES, LABELS, batch_size=3, verbose=0).history
    return model, dense.get_weights(), history


def gradient(kernel, bias):
    logits = IMAGES @ kernel + bias
    return 2 * IMAGES.T @ logits / 3, 2 * logits.mean(0)


def test_the_gradient_is_taken_at_the_worst_weights_of_the_ball():
    slope, _ = gradient(KERNEL, BIAS)
    worst = KERNEL + GAMMA * np.linalg.norm(KERNEL) * slope / np.linalg.norm(slope)
    at_worst, of_bias = gradient(worst, BIAS)
    _, (kernel, bias), history = trained(awp=GAMMA, weight_decay=DECAY)
    np.testing.assert_allclose(kernel, KERNEL - RATE * (at_worst + DECAY * worst), rtol=1e-5)
    np.testing.assert_allclose(bias, BIAS - RATE * of_bias, rtol=1e-5)
    loss = np.sum((IMAGES @ worst + BIAS) ** 2, 1).mean()
    np.testing.assert_allclose(history["square"], [loss], rtol=1e-5)


@EAGER
def test_a_step_of_0_leaves_the_weights_bit_for_bit():
    _, (kernel, bias), _ = trained(keras.optimizers.SGD(0.0), awp=GAMMA)
    np.testing.assert_array_equal(kernel, KERNEL)
    np.testing.assert_array_equal(bias, BIAS)


@EAGER
def test_batch_norm_sees_the_batch_once():
    model, _, _ = trained(batch_norm=True, awp=GAMMA)
    mean = model.network.layers[1].moving_mean.numpy()
    np.testing.assert_allclose(mean, 0.5 * IMAGES.mean(0), rtol=1e-5)


@EAGER
def test_without_a_slope_nothing_moves():
    """A gradient of 0 has no direction."""
    image = keras.Input([3])
    logits = keras.layers.Dense(2, kernel_initializer="zeros")(image)
    model = Squares(keras.Model(image, {"logits": logits}), awp=GAMMA)
    model.compile(optimizer="sgd")
    assert model.fit(IMAGES, LABELS, verbose=0).history["loss"] == [0.0]


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(precision):
    keras.config.set_dtype_policy(precision)
    try:
        _, (kernel, _), history = trained(awp=GAMMA)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"][0]) and np.isfinite(kernel).all()
