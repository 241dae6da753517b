"""Images leave the batch of an attack early, and each ends as it would in the whole batch."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.malt import MALT
from robust_tf.attacks.objectives import correct
from robust_tf.attacks.packed_loop import packed_loop
from robust_tf.attacks.square import Square
from robust_tf.threat_model import ThreatModel

COUNT = 60
BALLS = {"linf": ThreatModel(0.12), "l2": ThreatModel(0.6, "l2")}
ATTACKS = {
    "apgd-ce": lambda ball: APGD(ball, "ce", steps=12),
    "two runs": lambda ball: APGD(ball, "dlr", steps=6, restarts=2),
    "malt": lambda ball: MALT(ball, steps=6, targets=2),
    "fab-t": lambda ball: FAB(ball, steps=6, targets=3),
    "fab": lambda ball: FAB(ball, steps=8, targets=3, targeted=False),
    # In a larger ball: few images fall to few queries.
    "square": lambda ball: Square(dataclasses.replace(ball, eps=2 * ball.eps), queries=60),
}


@pytest.fixture(scope="module")
def digits():
    """A convolutional network that knows most digits; images, labels and keys of some."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8, 1).astype("float32")
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    network.fit(images[COUNT:], labels[COUNT:], epochs=3, batch_size=64, verbose=0)
    keys = randomness.image_keys(0, "evaluation", tf.range(COUNT))
    return network, tf.constant(images[:COUNT]), tf.constant(labels[:COUNT], tf.int32), keys


@pytest.mark.parametrize(
    "name, norm",
    [("two runs", "linf"), ("malt", "linf"), ("fab", "linf")]
    + [("fab-t", "l2"), ("square", "linf"), ("square", "l2")],
)
def test_every_image_ends_as_in_the_whole_batch(digits, name, norm):
    network, *batch = digits
    attack, seen = ATTACKS[name](BALLS[norm]), tf.Variable(0)

    def perturb(x, y, keys):
        def logits_fn(images):
            seen.assign_add(tf.shape(images)[0])
            return network(images, training=False)

        return attack.perturb(logits_fn, x, y, keys)

    found, passed = [], []
    # Without a trace the size of the batch is known, and the batch stays whole.
    for run in (perturb, CompiledBatch(perturb, any_size=True)):
        seen.assign(0)
        found.append(run(*batch))
        passed.append(int(seen))
    fallen = [~correct(network(images), batch[1]).numpy() for images in found]
    np.testing.assert_array_equal(*fallen)
    assert 0 < fallen[0].sum() < COUNT
    np.testing.assert_allclose(*found, atol=1e-5)
    assert passed[1] < passed[0]


def test_the_loop_sees_an_image_about_as_long_as_it_is_active():
    lives, seen = tf.constant([3, 1, 9, 1, 0, 2, 4, 1], tf.int32), []

    def run(lives):
        def step(number, lives, state, active):
            tf.py_function(lambda left: seen.append(len(left)), [lives], [])
            return state + tf.cast(active, tf.int32), active & (number + 1 < lives)

        return packed_loop(step, lives, 0 * lives, lives > 0, limit=7, result=lambda s: 10 * s)

    result, active = CompiledBatch(run, any_size=True)(lives)
    np.testing.assert_array_equal(result, 10 * np.minimum(lives, 7))
    np.testing.assert_array_equal(active, lives > 7)
    # Packed where fewer than three quarters are active.
    assert seen == [8, 4, 4, 2, 1, 1, 1]


def test_a_network_that_needs_the_size_of_its_batch_keeps_it_whole(digits):
    network, *batch = digits

    def perturb(x, y, keys):
        def logits_fn(images):
            return network(tf.reshape(images, [images.shape[0], 8, 8, 1]), training=False)

        return ATTACKS["apgd-ce"](BALLS["linf"]).perturb(logits_fn, x, y, keys)

    found = CompiledBatch(perturb, any_size=True)(*batch)
    alone = ATTACKS["apgd-ce"](BALLS["linf"]).perturb(network, *batch)
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_under_xla_the_batch_stays_whole(digits):
    """XLA compiled the packing, and returned other images for a batch of a size that it learnt."""
    network, *batch = digits
    attack = ATTACKS["apgd-ce"](BALLS["linf"])
    specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in batch]

    @tf.function(input_signature=specs, autograph=False, jit_compile=True)
    def compiled(x, y, keys):
        return attack.perturb(lambda images: network(images, training=False), x, y, keys)

    found, expected = compiled(*batch), attack.perturb(network, *batch)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (tf.reduce_max(tf.abs(found - batch[0]), [1, 2, 3]) > 0).numpy().sum() > COUNT / 2
