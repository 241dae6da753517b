"""Embedding networks: sizes, unit length, batch norm, and the ResNets against plain operations."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.errors import UserError
from robust_tf.models.channel_normalization import DEVIATION, MEAN
from robust_tf.models.embedding_registry import embedding_names, get_embedding
from robust_tf.models.unit_length import UnitLength


def dataset(side, channels):
    return SimpleNamespace(name="toy", image_shape=(side, side, channels), standardize=True)


DIGITS, MNIST, COLOUR = dataset(8, 1), dataset(28, 1), dataset(64, 3)
TINY = dataset(8, 3)


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def images_for(model, count=3):
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).uniform(size=shape).astype(model.inputs[0].dtype)


@pytest.mark.parametrize(
    "name, info, size, width",
    [
        ("c2f2", MNIST, 3_789_184, 512),
        ("digits_embedding", DIGITS, 158_272, 64),
        ("resnet10_16", COLOUR, 375_504, 512),
        ("resnet_18_silu", TINY, 11_431_488, 512),
        ("preact_resnet_18", TINY, 11_429_696, 512),
    ],
)
def test_sizes(name, info, size, width):
    model = get_embedding(name, info, "frozen")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == size
    assert model.output["embedding"].shape == (None, width)


@pytest.mark.parametrize(
    "name, info, precision",
    [("c2f2", MNIST, "float32"), ("c2f2", MNIST, "mixed_bfloat16"), ("c2f2", MNIST, "float64")]
    + [("preact_resnet_18_silu", TINY, "mixed_bfloat16")],
)
def test_unit_length_in_full_precision(name, info, precision, policy):
    policy(precision)
    model = get_embedding(name, info, "live")
    embedding = model(images_for(model))["embedding"]
    assert embedding.dtype == ("float64" if precision == "float64" else "float32")
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=1e-6)


def test_zero_has_a_finite_gradient():
    zero = tf.zeros([1, 4])
    with tf.GradientTape() as tape:
        tape.watch(zero)
        unit = UnitLength()(zero)
    np.testing.assert_array_equal(unit, zero)
    assert np.all(np.isfinite(tape.gradient(unit, zero)))


def test_start_of_the_new_layers():
    for weight in get_embedding("c2f2", MNIST).weights[:2]:
        bound = 1 / np.sqrt(25)
        assert 0.8 * bound < np.abs(weight.numpy()).max() <= bound


@pytest.mark.parametrize("bn", ["frozen", "live"])
@pytest.mark.parametrize("name, averages", [("resnet18", 40), ("preact_resnet_18", 34)])
def test_batch_norm_modes(name, averages, bn):
    model = get_embedding(name, dataset(32, 3), bn)
    before = [weight.numpy() for weight in model.non_trainable_weights]
    assert len(before) == averages
    images = images_for(model)
    inference, training = model(images, training=False), model(images, training=True)
    moved = [np.any(a != b.numpy()) for a, b in zip(before, model.non_trainable_weights)]
    same = np.allclose(inference["embedding"], training["embedding"], atol=1e-6)
    assert (same, any(moved)) == ((True, False) if bn == "frozen" else (False, True))


def test_weights_survive_a_file(tmp_path):
    model = get_embedding("resnet10_16", dataset(32, 3), "frozen")
    model.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    images = images_for(model)
    np.testing.assert_array_equal(
        again(images, training=True)["embedding"], model(images)["embedding"]
    )


@pytest.mark.parametrize(
    "name, side, size", [("resnet18", 64, 11_439_168), ("resnet50", 33, 24_557_120)]
)
def test_resnets_are_torchvisions(name, side, size, policy):
    policy("float64")
    model = get_embedding(name, dataset(side, 3), "frozen")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == size
    assert model.output["embedding"].shape == (None, 512)
    random = np.random.default_rng(1)
    weights = {}
    for layer in model.layers:
        for weight in layer.weights:
            if "bn" in layer.name or "downsample.1" in layer.name:
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
            weights[f"{layer.name} {weight.name}"] = weight.numpy()
    images = images_for(model)
    expected = naive_resnet(images, weights)
    np.testing.assert_allclose(model(images)["embedding"], expected, atol=1e-10)


def naive_resnet(images, weights):
    """torchvision's forward pass, its paddings written out."""
    bottleneck = "layer1.0.conv3 kernel" in weights

    def convolved(x, name, stride, pad):
        pads = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
        return tf.nn.conv2d(x, weights[f"{name} kernel"], stride, pads)

    def normalized(x, name):
        scale, offset = weights[f"{name} gamma"], weights[f"{name} beta"]
        mean, variance = weights[f"{name} moving_mean"], weights[f"{name} moving_variance"]
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset

    def block(x, name, stride):
        # (stride, padding) of every convolution
        plan = [(1, 0), (stride, 1), (1, 0)] if bottleneck else [(stride, 1), (1, 1)]
        out = x
        for number, settings in enumerate(plan, 1):
            out = convolved(out, f"{name}.conv{number}", *settings)
            out = normalized(out, f"{name}.bn{number}")
            out = tf.nn.relu(out) if number < len(plan) else out
        if f"{name}.downsample.0 kernel" in weights:
            x = convolved(x, f"{name}.downsample.0", stride, 0)
            x = normalized(x, f"{name}.downsample.1")
        return tf.nn.relu(x + out)

    x = (images - np.array(MEAN)) / np.array(DEVIATION)
    x = tf.nn.relu(normalized(convolved(x, "conv1", 2, 3), "bn1"))
    x = tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])
    for stage in range(4):
        for number in range((3, 4, 6, 3)[stage] if bottleneck else 2):
            x = block(x, f"layer{stage + 1}.{number}", 2 if stage and not number else 1)
    x = tf.reduce_mean(x, [1, 2]) @ weights["fc kernel"] + weights["fc bias"]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_bad_names():
    for name, bn, side in (("resnet19", "live", 64), ("resnet18", "off", 64), ("c2f2", "live", 3)):
        with pytest.raises(UserError):
            get_embedding(name, dataset(side, 3), bn)
    assert "resnet18" in embedding_names()
