"""Checkpoints that TensorFlow 1 graphs write: outputs and input gradients of our networks."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tf1_graphs as graphs

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.errors import UserError
from robust_tf.models import registry
from robust_tf.models.checkpoint_readers import formats
from tla_tf.imported import architectures

v1 = tf.compat.v1
CLASSES = 3
GREY, COLOUR = (4, 8, 8, 1), (4, 8, 8, 3)


class Case(NamedTuple):
    graph: callable
    images: tuple
    optimizer: str = ""  # its state is in the checkpoint too
    scope: str = "main_encoder"
    sizes: tuple = (None, None)


_RES20 = functools.partial(graphs.tiny_resnet, units=[1, 1, 1, 1], kernels=[3, 3])
_RES50 = functools.partial(graphs.tiny_resnet, units=[2, 3, 5, 2], kernels=[1, 3, 1])
_WIDE = functools.partial(graphs.wide_resnet, units=2, width=2)
CASES = {
    "madry_cifar10": Case(_WIDE, COLOUR, "momentum", scope="", sizes=(14, 2)),
    "madry_mnist": Case(graphs.madry_lenet, GREY, "adam", scope=""),
    "tla_cifar10": Case(_WIDE, COLOUR, sizes=(14, 2)),
    "tla_mnist": Case(graphs.large_lenet, GREY),
    "tla_mnist_small": Case(graphs.small_lenet, GREY),
    "tla_mlp": Case(graphs.mlp, GREY),
    "tla_tiny_res20": Case(_RES20, COLOUR),
    "tla_tiny_res50": Case(_RES50, COLOUR),
}


def optimizer(name):
    if name == "adam":
        return v1.train.AdamOptimizer(1e-4)
    return v1.train.MomentumOptimizer(1e-4, 0.9)


def save(case, prefix, images, labels):
    """Writes a checkpoint; returns embedding, logits and input gradient of the graph."""
    scale = 255.0 if images.shape[-1] == 3 else 1.0
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        pixels = v1.placeholder(tf.float32, [None, *images.shape[1:]])
        with v1.variable_scope(case.scope):
            embedding, logits = case.graph(pixels, CLASSES)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        loss = tf.reduce_sum(loss)
        (gradient,) = tf.gradients(loss, pixels)
        step = v1.get_variable("global_step", initializer=np.int64(70000), trainable=False)
        update = optimizer(case.optimizer).minimize(loss, step) if case.optimizer else None
        session.run(v1.global_variables_initializer())
        if update is not None:
            session.run(update, {pixels: scale * images})  # slots that are not zero
        v1.train.Saver().save(session, str(prefix), write_meta_graph=False)
        found = session.run([embedding, logits, gradient], {pixels: scale * images})
    return found[0], found[1], scale * found[2]


def network_of(name):
    case = CASES[name]
    architecture = architectures.get(name).sized(*case.sizes)
    colour = case.images[-1] == 3
    info = DatasetInfo("x", case.images[1:], tuple("abc"), {}, "", standardize=colour)
    return architecture, registry.get(architecture.model, info)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, 4)
    return {shape: rng.random(shape, np.float32) for shape in (GREY, COLOUR)}, labels


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_graph(name, data, tmp_path):
    images, labels = data[0][CASES[name].images], data[1]
    expected = save(CASES[name], tmp_path / "checkpoint-70000", images, labels)
    architecture, network = network_of(name)
    architecture.load(formats.read(tmp_path / "checkpoint-70000"), network)

    image = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(image)
        outputs = network(image, training=False)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs["logits"])
        loss = tf.reduce_sum(loss)
    found = outputs["embedding"], outputs["logits"], tape.gradient(loss, image)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def test_other_architectures_are_refused(data, tmp_path):
    for name in "tla_mnist_small", "tla_mnist":
        case = CASES[name]
        save(case, tmp_path / name, data[0][case.images], data[1])
    pairs = [
        ("tla_mnist_small", "tla_mnist", "conv_w1/DW is (5, 5, 1, 32)"),
        ("tla_mnist", "tla_mnist_small", "conv_w1/DW is (3, 3, 1, 32)"),
        ("tla_mnist_small", "madry_mnist", "Variable is missing"),
    ]
    for written, wanted, reason in pairs:
        architecture, network = network_of(wanted)
        before = network.get_weights()
        with pytest.raises(UserError) as error:
            architecture.load(formats.read(tmp_path / written), network)
        assert reason in str(error.value) and len(str(error.value).splitlines()) == 1
        for old, now in zip(before, network.get_weights(), strict=True):
            np.testing.assert_array_equal(old, now)


def test_all_other_variables_are_accounted_for():
    """A renamed checkpoint of the authors prefixes the optimiser's state, too."""
    architecture, network = network_of("tla_mnist_small")
    found = {
        f"main_encoder/{architecture.tensor_name(layer.name, variable.name)}": variable.numpy()
        for layer in network.layers
        for variable in layer.weights
    }
    for name in "conv_w1/DW/Momentum", "global_step", "beta1_power", "fcb2/biases/Adam_1":
        found[f"main_encoder/{name}"] = np.zeros(())
    architecture.load(found, network)
    found["decoder/w1/DW"] = np.zeros(3)
    with pytest.raises(UserError, match="decoder/w1/DW has no place in lenet_small"):
        architecture.load(found, network)
