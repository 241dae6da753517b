"""Training and test classes without a class in common."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.data import class_disjoint, examples
from robust_tf.data.examples import Examples
from robust_tf.data.text_lines import read_names
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import images_of


def test_digits_are_divided_by_class():
    info, train, test = class_disjoint.load(data.open("digits"))
    assert set(train.labels) == {0, 1, 2, 3, 4} and set(test.labels) == {5, 6, 7, 8, 9}
    assert len(train) + len(test) == 1797
    assert info.splits == {"train": len(train), "test": len(test)} and info.class_disjoint
    whole = class_disjoint.join(data.open("digits").load("train"), data.open("digits").load("test"))
    np.testing.assert_array_equal(train.images, whole.images[whole.labels < 5])


def test_training_classes_of_a_file(tmp_path):
    (tmp_path / "classes").write_text("9\n0\n\n")
    names = read_names(tmp_path / "classes", "train_classes")
    assert names == ["9", "0"]
    _, train, test = class_disjoint.load(data.open("digits"), train_classes=names)
    assert set(train.labels) == {0, 9} and len(set(test.labels)) == 8


@pytest.mark.parametrize(
    "text, message",
    [("0\n", "at least two"), ("0\n1\nten\n", "no class ten"), (None, "not a file")],
)
def test_refused_classes(text, message, tmp_path):
    if text is not None:
        (tmp_path / "classes").write_text(text)
    with pytest.raises(UserError, match=message):
        names = read_names(tmp_path / "classes", "train_classes")
        class_disjoint.load(data.open("digits"), train_classes=names)


@pytest.mark.parametrize("labels, alone", [([3, 1, 3, 1], None), ([5, 2, 5, 1], 2)], ids=str)
def test_training_classes_of_one_image_are_counted(labels, alone, caplog):
    images = np.zeros([4, 2, 2, 1], np.uint8)
    class_disjoint.warn_of_single_images(Examples(images, np.array(labels, np.int32)))
    said = [record.getMessage() for record in caplog.records]
    line = f"training classes with a single image, which pairs with itself: {alone}"
    assert said == ([line] if alone else [])


@pytest.fixture
def read(monkeypatch):
    """The splits that are read, of small copies."""
    found, sizes = [], {"validation": 2, "train": 3, "test": 4}

    def load(self, split):
        found.append(split)
        number = list(sizes).index(split)
        images = np.full([sizes[split], 28, 28, 1], number, np.uint8)
        return Examples(images, np.arange(sizes[split], dtype=np.int32))

    monkeypatch.setattr(data.Dataset, "load", load)
    return found


def test_the_held_out_images_of_mnist_train(read):
    info, train, test = class_disjoint.load(data.open("mnist"))
    np.testing.assert_array_equal(train.images[:, 0, 0, 0], [0, 0, 1, 1, 1])
    assert info.splits == {"train": 5, "test": 4} and len(test) == 4


@pytest.mark.parametrize(
    "name, side, splits",
    [
        ("sop", "test", {"test"}),
        ("sop", "train", {"train"}),
        ("mnist", "test", {"test"}),
        ("mnist", "train", {"validation", "train"}),
    ],
)
def test_of_one_side_no_more_is_read_than_it_needs(name, side, splits, read):
    loaded = class_disjoint.load_side(data.open(name), side)
    assert set(read) == splits
    number = ("train", "test").index(side)
    np.testing.assert_array_equal(
        loaded.images, class_disjoint.load(data.open(name))[1 + number].images
    )


def test_one_side_of_classes():
    classes = ["3", "7"]
    _, *sides = class_disjoint.load(data.open("digits"), train_classes=classes)
    for name, side in zip(("train", "test"), sides):
        alone = class_disjoint.load_side(data.open("digits"), name, train_classes=classes)
        np.testing.assert_array_equal(alone.images, side.images)


def test_a_folder_with_one_split_too_large_to_be_held_decoded(tmp_path, monkeypatch):
    """Three of four images train: decoded, they alone are above the border."""
    for name in "abcd":
        for number in range(4):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(tf.io.encode_png(np.full([8, 8, 3], 50 * number, np.uint8)).numpy())
    where = {"data_dir": tmp_path, "image_size": 8}
    _, *decoded = class_disjoint.load(data.open("folder", **where))
    monkeypatch.setattr(examples, "MAX_DECODED_BYTES", 8 * 8 * 8 * 3)
    _, *encoded = class_disjoint.load(data.open("folder", **where))
    for one, other in zip(decoded, encoded):
        assert one.images.dtype == np.uint8 and other.images.dtype == object
        np.testing.assert_array_equal(one.labels, other.labels)
        found = [images_of(side, slice(None)) for side in (one, other)]
        np.testing.assert_array_equal(*found)
