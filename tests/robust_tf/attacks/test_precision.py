"""No input gradient is lost in any precision, where plain differentiation loses a third of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.attacks.pgd import PGD
from robust_tf.losses.cross_entropy import cross_entropy


@pytest.fixture(scope="module")
def undefended():
    """Weights of an MLP after 200 updates on digits, and test images with labels."""
    dataset = data.open("digits")
    train, test = dataset.load("train"), dataset.load("test")
    keras.utils.set_random_seed(0)
    network = mlp("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    images = (
        train.images.astype("float32") / 255 if train.images.dtype == np.uint8 else train.images
    )
    network.fit(images, train.labels, batch_size=64, epochs=200 * 64 // len(images) + 1, verbose=0)
    x = test.images.astype("float32") / 255 if test.images.dtype == np.uint8 else test.images
    return network.get_weights(), tf.constant(x), tf.constant(test.labels, tf.int32)


def mlp(policy):
    images = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(images)
    for _ in range(2):
        x = keras.layers.Dense(256, activation="relu", dtype=policy)(x)
    return keras.Model(images, keras.layers.Dense(10, dtype="float32")(x))


def network_of(undefended, policy):
    weights, x, y = undefended
    network = mlp(policy)
    network.set_weights(weights)
    return network, x, y


def plain_gradient(network, x, y):
    """The values and their gradient without the scale, differentiated as any function."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = cross_entropy(network(x), y)
    return values, tape.gradient(values, x)


def zeros(gradient):
    return np.mean(~np.any(np.asarray(gradient) != 0, axis=(1, 2, 3)))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_no_gradient_is_zero_in_any_precision(policy, undefended):
    network, x, y = network_of(undefended, policy)
    *_, gradient = CrossEntropy(network, y).differentiate(x)
    assert zeros(gradient) == 0
    lost = zeros(plain_gradient(network, x, y)[1])
    assert lost > 0.05 if policy == "mixed_float16" else lost == 0  # the test can fail


def test_the_scale_changes_no_bit_in_float32(undefended):
    network, x, y = network_of(undefended, "float32")
    _, values, gradient = CrossEntropy(network, y).differentiate(x)
    plain_values, plain = plain_gradient(network, x, y)
    np.testing.assert_array_equal(values, plain_values)
    np.testing.assert_array_equal(gradient, plain)


def test_the_gradient_in_float16_has_the_size_of_that_in_float32(undefended):
    network, x, y = network_of(undefended, "float32")
    half = network_of(undefended, "mixed_float16")[0]
    exact, found = (CrossEntropy(n, y).differentiate(x)[2].numpy() for n in (network, half))
    size = np.abs(exact).max(axis=(1, 2, 3))
    assert size.min() < 1e-6 < 1e-3 < size.max()
    # Logits in float16 differ by some percent of what decides about a confident image.
    np.testing.assert_allclose(np.abs(found).max(axis=(1, 2, 3)), size, rtol=0.2)


@pytest.mark.parametrize(
    "attack",
    [PGD(eps=0.1, steps=10), APGD(eps=0.1, steps=10), FAB(eps=0.1, steps=10, targets=3)],
    ids=lambda attack: type(attack).__name__,
)
def test_attacks_are_as_strong_in_float16(attack, undefended):
    accuracy = []
    for policy in ("float32", "mixed_float16"):
        network, x, y = network_of(undefended, policy)
        x_adv = attack(network, x, y)
        accuracy.append(np.mean(correct(network(x_adv), y)))
    assert accuracy[0] < 0.6 and abs(accuracy[1] - accuracy[0]) <= 0.02
