"""What the registry knows and refuses, and the data set that needs no download."""

import errno
import os

import numpy as np
import pytest
from sklearn.datasets import load_digits

from robust_tf import data
from robust_tf.data import dataset
from robust_tf.data.augment import Augment
from robust_tf.errors import UserError


@pytest.mark.parametrize("name", [name for name in data.DATASETS if name != "folder"])
def test_facts_are_consistent(name):
    info = data.open(name).info
    assert info.name == name
    assert len(info.image_shape) == 3
    classes = {
        "cifar100": 100,
        "digit_pairs": 100,
        "tiny_imagenet": 200,
        "cub200": 200,
        "cars196": 196,
        "sop": 22634,
    }
    assert info.num_classes == len(set(info.class_names)) == classes.get(name, 10)
    assert {"train", "test"} <= set(info.splits) <= {"train", "validation", "test"}


def test_the_names_are_those_that_can_be_read():
    assert set(data.DATASETS) == dataset._READERS.keys()
    assert len(set(data.DATASETS)) == len(data.DATASETS)


def test_facts_of_the_paper():
    mnist, cifar10, tiny = (data.open(n).info for n in ("mnist", "cifar10", "tiny_imagenet"))
    fashion = data.open("fashion_mnist").info
    assert (fashion.splits, fashion.image_shape) == ({"train": 60000, "test": 10000}, (28, 28, 1))
    assert (fashion.augment, fashion.class_names[9]) == (Augment(), "Ankle boot")
    assert mnist.splits == {"train": 55000, "validation": 5000, "test": 10000}
    assert (mnist.augment, mnist.standardize) == (Augment(), False)
    assert cifar10.splits == {"train": 50000, "test": 10000}
    assert (cifar10.augment, cifar10.standardize) == (Augment(pad=2, flip=True), True)
    assert cifar10.class_names[3] == "cat"
    assert (tiny.splits, tiny.image_shape) == ({"train": 100_000, "test": 10_000}, (64, 64, 3))
    assert (tiny.augment, tiny.standardize) == (Augment(pad=4, flip=True), True)


@pytest.mark.parametrize("name", ["digits", "digit_pairs"])
def test_a_folder_that_nothing_is_read_from_is_told_once(name, tmp_path, caplog):
    opened = data.open(name, str(tmp_path))
    opened.load("test"), opened.load("test")
    (line,) = caplog.messages
    assert f"--data_dir={tmp_path} is not read" in line and "--dataset=folder" in line
    data.open(name).load("test")
    assert len(caplog.messages) == 1


def test_digits_are_scaled_and_split():
    train, test = data.open("digits").load("train"), data.open("digits").load("test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.images.dtype == np.uint8 and train.labels.dtype == np.int32
    images = np.concatenate([train.images, test.images])[..., 0]
    np.testing.assert_allclose(images / 255 * 16, load_digits().images, atol=0.5 / 255 * 16)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), load_digits().target)


def test_limit_takes_the_first_images():
    whole, part = data.open("digits").load("test"), data.open("digits").load("test", limit=7)
    np.testing.assert_array_equal(part.images, whole.images[:7])
    assert len(data.open("digits").load("test", limit=10**6)) == 360


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("digit", "train"),
            "Unknown data set 'digit' .*'digits'.*; allowed: digits, mnist, cifar10",
        ),
        (("digits", "validation"), "no split 'validation'; allowed: train, test"),
        (("digits", "test", 0), "at least 1, not 0"),
    ],
)
def test_mistakes_are_named(arguments, message):
    name, *arguments = arguments
    with pytest.raises(UserError, match=message):
        data.open(name).load(*arguments)


def test_the_data_set_of_a_run(tmp_path):
    flags = {"dataset": "cub200", "data_dir": "/nowhere", "image_size": 32, "seed": 3}
    found = data.of_run(flags, tmp_path)
    shape, place = found.info.image_shape, str(tmp_path)
    assert (found.name, found.data_dir, shape) == ("cub200", place, (32, 32, 3))
    for missing in ("/nowhere", "~no-such-user/data"):  # of no home
        with pytest.raises(UserError, match=f"--data_dir={missing} is not a folder"):
            data.of_run({**flags, "data_dir": missing})


@pytest.mark.parametrize("name", ["folder", "mnist", "cub200", "tiny_imagenet"])
@pytest.mark.parametrize("kept_from", ["access", "stat"])
def test_data_that_may_not_be_read_are_no_missing_data(name, kept_from, tmp_path, monkeypatch):
    """The user may not read the folder, or not enter the one around it."""
    called = getattr(os, kept_from)

    def refused(path, *given, **named):
        if str(path) != str(tmp_path):
            return called(path, *given, **named)
        if kept_from == "access":
            return False
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, kept_from, refused)
    with pytest.raises(UserError, match=f"^--data_dir={tmp_path} cannot be read: no permission"):
        data.open(name, tmp_path)


def test_describe_needs_no_data():
    assert data.open("digits").describe().startswith("digits: train 1,437, test 360 images, from")
