"""Starting from the weights of another run."""

import dataclasses

import keras
import numpy as np
import pytest

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.errors import RunError, UserError
from robust_tf.models import registry
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.runs.fine_tuning import copy_weights, start_from


def network(name="digits_cnn", classes=3, shape=(8, 8, 1), seed=0):
    keras.utils.set_random_seed(seed)
    return registry.get(name, DatasetInfo("x", shape, tuple("abcdefgh"[:classes]), {}, ""))


def differing(source, target):
    """Names of the layers of the target whose weights are not those of the source."""
    pairs = zip(
        *([layer for layer in net.layers if layer.weights] for net in (source, target)), strict=True
    )
    equal = {
        new.name: all(map(np.array_equal, old.get_weights(), new.get_weights()))
        for old, new in pairs
    }
    return [name for name, same in equal.items() if not same]


def test_same_classes_take_every_layer():
    source, target = network(seed=1), network(seed=2)
    assert copy_weights(source, target, "run") == "" and differing(source, target) == []


def test_other_classes_get_a_fresh_last_layer():
    source, target = network(classes=5, seed=1), network(classes=3, seed=2)
    before = target.get_layer("logits").get_weights()
    line = copy_weights(source, target, "run")
    assert line == "the last layer is fresh (5 outputs there, 3 here)"
    assert differing(source, target) == ["logits"]
    np.testing.assert_array_equal(target.get_layer("logits").get_weights()[0], before[0])


@pytest.mark.parametrize(
    "classifier, embedding, channels",
    [("torchvision_resnet_18", "resnet18", 3)]
    + [(name, name, 1) for name in ("resnet10_16", "preact_resnet_18")]
    + [("resnet_18_silu", "resnet_18_silu", 3)],
)
def test_a_classifier_gives_its_trunk_to_an_embedding(classifier, embedding, channels):
    info = DatasetInfo("x", (8, 8, channels), tuple("abc"), {}, "", standardize=True)
    source, target = registry.get(classifier, info), get_embedding(embedding, info)
    line = copy_weights(source, target, "run")
    assert line == "the last layer is fresh (3 outputs there, 512 here)"
    assert differing(source, target) == ["fc"]
    images = np.random.default_rng(0).uniform(size=(2, 8, 8, channels)).astype("float32")
    features = keras.Model(target.input, target.get_layer("fc").input)(images)
    np.testing.assert_array_equal(features, source(images)["embedding"])


@pytest.mark.parametrize(
    "name, standardize, only_one",
    [("resnet_18_silu", False, "relu, silu"), ("resnet_18", True, "PerImageStandardization")],
)
def test_another_function_of_the_same_weights_is_named(name, standardize, only_one):
    """Nothing in the weights says that the network was trained with another function."""
    info = DatasetInfo("x", (8, 8, 3), tuple("abc"), {}, "")
    source = registry.get(name, dataclasses.replace(info, standardize=standardize))
    line = copy_weights(source, get_embedding("resnet_18", info), "run")
    assert line.endswith(f"only one of the two networks has {only_one}")


@pytest.mark.parametrize(
    "other, reason",
    [(network("digits_cnn", shape=(8, 8, 3)), "(3, 3, 1, 32)"), (network("mlp"), "is no mlp")],
    ids=["channels", "network"],
)
def test_another_trunk_is_refused_and_nothing_set(other, reason):
    source, target = network(seed=1), other
    if reason.startswith("("):
        source, target = other, network(seed=1)
    before = target.get_weights()
    with pytest.raises(UserError) as error:
        copy_weights(source, target, "--init_from=run")
    assert reason in str(error.value) and len(str(error.value).splitlines()) == 1
    for old, now in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_folders_without_weights(tmp_path):
    with pytest.raises(UserError, match="no run"):
        start_from(network(), tmp_path)
    (tmp_path / "config.json").write_text('{"flags": {"train_steps": 3}}')
    with pytest.raises(UserError, match="no final weights"):
        start_from(network(), tmp_path)
    (tmp_path / "final.keras").write_bytes(b"damaged")
    with pytest.raises(RunError, match="cannot be read"):
        start_from(network(), tmp_path)
