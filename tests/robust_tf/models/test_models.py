from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.errors import UserError
from robust_tf.losses.weight_decay import decayed_kernels
from robust_tf.models import registry


def dataset(side, channels, standardize=False, width=None, classes=10):
    return SimpleNamespace(
        name="toy",
        image_shape=(side, width or side, channels),
        num_classes=classes,
        standardize=standardize,
    )


MNIST, CIFAR10, DIGITS = dataset(28, 1), dataset(32, 3, standardize=True), dataset(8, 1)
TINY = dataset(64, 3, standardize=True, classes=200)
SMALL_CASES = [
    ("lenet_large", DIGITS),
    ("lenet_small", DIGITS),
    ("digits_cnn", DIGITS),
    ("wrn_10_1", CIFAR10),
    ("mlp", DIGITS),
    ("tiny_res20", CIFAR10),
]


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def size(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def images_for(model, count=3):
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).uniform(size=shape).astype(model.inputs[0].dtype)


@pytest.mark.parametrize(
    "name, info, trainable, moving, decayed, width",
    [
        ("lenet_large", MNIST, 13_247_178, 3_008, 13_242_656, 1024),
        ("lenet_small", MNIST, 3_274_634, 0, 3_273_504, 1024),
        ("wrn_32_10", CIFAR10, 45_901_914, 22_432, 45_879_472, 640),
        ("digits_cnn", DIGITS, 85_226, 320, 84_896, 64),
        ("mlp", MNIST, 2_919_434, 6_144, 2_910_208, 1024),
        ("tiny_res20", TINY, 5_010_824, 4_096, 5_006_528, 512),
        ("resnet_18", CIFAR10, 11_173_962, 9_600, 11_164_352, 512),
        ("preact_resnet_18", CIFAR10, 11_172_170, 7_808, 11_164_352, 512),
        ("tiny_res50", TINY, 17_980_040, 34_048, 17_945_792, 2048),
        ("wong_mnist", MNIST, 166_406, 0, 166_248, 100),
        ("wong_mnist_bn", MNIST, 166_702, 296, 166_248, 100),
    ],
)
def test_parameter_counts_and_embedding_width(name, info, trainable, moving, decayed, width):
    model = registry.get(name, info)

    assert model.name == name
    assert size(model.trainable_variables) == trainable
    assert size(model.non_trainable_variables) == moving
    assert size(decayed_kernels(model)) == decayed
    assert model.output["embedding"].shape == (None, width)
    assert model.output["logits"].shape == (None, info.num_classes)


@pytest.mark.parametrize("name", ["resnet_18", "preact_resnet_18"])
def test_silu_in_place_of_relu(name):
    """The same weights, another function; no unit is cut off at 0."""
    relu, silu = (registry.get(name + end, CIFAR10) for end in ("", "_silu"))
    assert [w.shape for w in relu.weights] == [w.shape for w in silu.weights]
    kinds = [getattr(layer, "activation", None) for layer in silu.layers]
    assert keras.activations.silu in kinds and keras.activations.relu not in kinds
    assert (
        np.min(silu(images_for(silu))["embedding"])
        < 0
        <= np.min(relu(images_for(relu))["embedding"])
    )


@pytest.mark.parametrize(
    "name, info, dtype_policy, expected",
    [(*case, "mixed_bfloat16", "float32") for case in SMALL_CASES]
    + [("lenet_small", DIGITS, "float64", "float64"), ("wrn_10_1", CIFAR10, "float64", "float64")],
)
def test_outputs_are_in_full_precision(policy, name, info, dtype_policy, expected):
    policy(dtype_policy)
    model = registry.get(name, info)
    out = model(images_for(model), training=False)

    assert {key: value.dtype.name for key, value in out.items()} == {
        "logits": expected,
        "embedding": expected,
    }
    kinds = keras.layers.Conv2D, keras.layers.Dense
    first = next(layer for layer in model.layers if isinstance(layer, kinds))
    assert first.compute_dtype == dtype_policy.replace("mixed_", "")


NORMS = {"lenet_large": 5, "lenet_small": 0, "digits_cnn": 3, "wrn_10_1": 7, "wrn_8_2": 7}
NORMS |= {"mlp": 3, "tiny_res20": 10}


@pytest.mark.parametrize("name, info", [*SMALL_CASES, ("wrn_8_2", DIGITS)])
def test_head_batch_norm_and_file(name, info, tmp_path):
    model = registry.get(name, info)
    images = images_for(model)
    # The logits are the last dense layer of the embedding, which depends on the image.
    out, head = model(images, training=False), model.get_layer("logits")
    assert isinstance(head, keras.layers.Dense) and head.activation is keras.activations.linear
    np.testing.assert_array_equal(out["logits"], head(out["embedding"]))
    assert np.ptp(out["embedding"], axis=0).max() > 1e-3

    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == NORMS[name]
    constants = {(x.momentum, x.epsilon, x.scale, x.center) for x in norms}
    assert constants <= {(0.9, 1e-3, True, True)}
    assert not any(x.synchronized for x in norms)  # there is one replica

    # A file gives the network back.
    model(images, training=True)  # moves the batch statistics away from their start
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert loaded.name == name
    out, again = model(images, training=False), loaded(images, training=False)
    np.testing.assert_array_equal(out["logits"], again["logits"])
    np.testing.assert_array_equal(out["embedding"], again["embedding"])


@pytest.mark.parametrize("name", ["lenet_large", "lenet_small", "mlp"])
def test_mnist_networks_start_as_the_authors_code(name):
    model = registry.get(name, MNIST)

    for kernel in decayed_kernels(model):
        assert np.abs(kernel).max() <= 0.2  # cut at two standard deviations
        if size([kernel]) > 2_000:
            # A normal of 0.1 cut at 2 sigma has the standard deviation 0.08796.
            assert np.std(kernel) == pytest.approx(0.08796, rel=0.03)
    biases = [layer.bias for layer in model.layers if getattr(layer, "bias", None) is not None]
    assert len(biases) == len(decayed_kernels(model))
    assert all((bias.numpy() == np.float32(0.1)).all() for bias in biases)


@pytest.mark.parametrize("name, count, width", [("wrn_8_4", 7, 256), ("tiny_res20", 13, 512)])
def test_residual_networks_start_as_the_authors_code(name, count, width):
    keras.utils.set_random_seed(0)
    model = registry.get(name, CIFAR10)

    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == count and not any(layer.use_bias for layer in convolutions)
    for layer in convolutions[1:]:
        expected = np.sqrt(2 / (layer.kernel_size[0] ** 2 * layer.filters))
        assert np.std(layer.kernel) == pytest.approx(expected, rel=0.03)
        assert np.abs(layer.kernel).max() > 2.5 * expected  # not truncated
    head = model.get_layer("logits")
    limit = np.sqrt(3 / width)
    assert 0.98 * limit < np.abs(head.kernel).max() <= limit
    assert np.std(head.kernel) == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert not head.bias.numpy().any()


def test_the_seed_decides_the_start():
    def start(seed):
        keras.utils.set_random_seed(seed)
        return [kernel.numpy() for kernel in decayed_kernels(registry.get("wrn_10_1", DIGITS))]

    first, again, other = start(1), start(1), start(2)
    assert all((a == b).all() for a, b in zip(first, again))
    assert not any((a == b).any() for a, b in zip(first, other))
    assert not (first[-2].ravel()[:99] == first[-3].ravel()[:99]).any()  # layers start apart


def test_standardization_follows_the_dataset():
    model = registry.get("wrn_8_1", dataset(8, 3, standardize=True))
    plain = registry.get("wrn_8_1", dataset(8, 3))
    images = images_for(model)
    dimmer = 0.25 + images / 2

    out, dim = (model(x, training=False)["logits"] for x in (images, dimmer))
    np.testing.assert_allclose(out, dim, atol=1e-4)  # brightness and contrast are taken out
    assert np.abs(plain(images)["logits"] - plain(dimmer)["logits"]).max() > 1e-3


@pytest.mark.parametrize(
    "name, info, words",
    [
        ("resnet", MNIST, ["'resnet'", "lenet_large", "lenet_small", "digits_cnn", "wrn_D_W"]),
        ("wrn_32_10x", CIFAR10, ["'wrn_32_10x'", "wrn_D_W"]),
        ("wrn_12_10", CIFAR10, ["6n + 2", "wrn_32_10"]),
        ("wrn_2_10", CIFAR10, ["6n + 2"]),
        ("wrn_10_0", CIFAR10, ["width"]),
        ("wrn_10_1", dataset(30, 3), ["30x30", "multiples of 4"]),
        ("wrn_10_1", dataset(32, 3, width=30), ["32x30"]),
        ("strided_wrn_10_1", dataset(28, 3), ["28x28", "multiples of 8"]),
        ("lenet_large", dataset(3, 1), ["4x4", "3x3"]),
        ("lenet_small", dataset(28, 1, width=3), ["4x4", "28x3"]),
        ("digits_cnn", dataset(1, 1), ["2x2", "1x1"]),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(name, info, words):
    with pytest.raises(UserError) as refusal:
        registry.get(name, info)

    assert all(word in str(refusal.value) for word in words)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["lenet_large", "lenet_small"])
def test_lenet_takes_other_images_than_those_of_mnist(name):
    model = registry.get(name, dataset(8, 3, standardize=True))
    assert model(images_for(model))["logits"].shape == (3, 10)


def test_both_ways_to_count_the_depth_give_the_same_network():
    names = ("wrn_16_1", "wrn_14_1")
    shapes = [[w.shape for w in registry.get(name, DIGITS).weights] for name in names]
    assert shapes[0] == shapes[1]


def test_digits_cnn_learns_the_digits():
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    data = load_digits()
    images, labels = (data.images / 16).astype("float32")[..., None], data.target
    network = registry.get("digits_cnn", DIGITS)
    model = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=False)
    train = tf.data.Dataset.from_tensor_slices((images[:-360], labels[:-360]))
    batches = train.shuffle(1437, seed=0).repeat().batch(64).take(200)
    model.fit(batches, shuffle=False, verbose=0)

    predictions = model.predict(images[-360:], verbose=0).argmax(1)
    assert np.mean(predictions == labels[-360:]) >= 0.95


def test_a_strided_stem_makes_smaller_maps_of_the_same_weights():
    strided, plain = registry.get("strided_wrn_10_1", CIFAR10), registry.get("wrn_10_1", CIFAR10)
    assert [w.shape for w in strided.weights] == [w.shape for w in plain.weights]
    assert strided.get_layer("stem").output.shape[1:] == (16, 16, 16)
    assert strided.output["embedding"].shape == plain.output["embedding"].shape
