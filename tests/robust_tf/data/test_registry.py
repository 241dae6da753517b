"""What the registry knows and refuses, and the data set that needs no download."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from robust_tf.data import registry
from robust_tf.data.augment import Augment
from robust_tf.errors import UserError


@pytest.mark.parametrize("name", [name for name in registry.names() if name != "folder"])
def test_facts_are_consistent(name):
    info = registry.get(name)
    assert info.name == name
    assert len(info.image_shape) == 3
    classes = {"tiny_imagenet": 200, "cub200": 200, "cars196": 196, "sop": 22634}.get(name, 10)
    assert info.num_classes == len(set(info.class_names)) == classes
    assert {"train", "test"} <= set(info.splits) <= {"train", "validation", "test"}


def test_the_names_are_those_that_can_be_read():
    assert set(registry.names()) == registry._ENTRIES.keys()
    assert len(set(registry.names())) == len(registry.names())


def test_facts_of_the_paper():
    mnist, cifar10, tiny = map(registry.get, ("mnist", "cifar10", "tiny_imagenet"))
    fashion = registry.get("fashion_mnist")
    assert (fashion.splits, fashion.image_shape) == ({"train": 60000, "test": 10000}, (28, 28, 1))
    assert (fashion.augment, fashion.class_names[9]) == (Augment(), "Ankle boot")
    assert mnist.splits == {"train": 55000, "validation": 5000, "test": 10000}
    assert (mnist.augment, mnist.standardize) == (Augment(), False)
    assert cifar10.splits == {"train": 50000, "test": 10000}
    assert (cifar10.augment, cifar10.standardize) == (Augment(pad=2, flip=True), True)
    assert cifar10.class_names[3] == "cat"
    assert (tiny.splits, tiny.image_shape) == ({"train": 100_000, "test": 10_000}, (64, 64, 3))
    assert (tiny.augment, tiny.standardize) == (Augment(pad=4, flip=True), True)


def test_digits_are_scaled_and_split():
    train, test = registry.load("digits", "train"), registry.load("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.images.dtype == np.uint8 and train.labels.dtype == np.int32
    images = np.concatenate([train.images, test.images])[..., 0]
    np.testing.assert_allclose(images / 255 * 16, load_digits().images, atol=0.5 / 255 * 16)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), load_digits().target)


def test_limit_takes_the_first_images():
    whole, part = registry.load("digits", "test"), registry.load("digits", "test", limit=7)
    np.testing.assert_array_equal(part.images, whole.images[:7])
    assert len(registry.load("digits", "test", limit=10**6)) == 360


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("digit", "train"), "Unknown data set 'digit'; allowed: digits, mnist, cifar10"),
        (("digits", "validation"), "no split 'validation'; allowed: train, test"),
        (("digits", "test", None, 0), "at least 1, not 0"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        registry.load(*arguments)


def test_describe_needs_no_data():
    assert registry.describe("digits").startswith("digits: train 1,437, test 360 images, from")
