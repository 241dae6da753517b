"""Training and test classes without a class in common."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.data import class_disjoint, examples, folder
from robust_tf.data.examples import Examples
from robust_tf.data.text_lines import read_names
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import images_of


def sides(dataset, train_classes=None):
    return [class_disjoint.load_side(dataset, side, train_classes) for side in ("train", "test")]


def test_digits_are_divided_by_class():
    train, test = sides(data.open("digits"))
    assert set(train.labels) == {0, 1, 2, 3, 4} and set(test.labels) == {5, 6, 7, 8, 9}
    assert len(train) + len(test) == 1797
    whole = class_disjoint.join(data.open("digits").load("train"), data.open("digits").load("test"))
    np.testing.assert_array_equal(train.images, whole.images[whole.labels < 5])


def test_training_classes_of_a_file(tmp_path):
    (tmp_path / "classes").write_text("9\n0\n\n")
    names = read_names(tmp_path / "classes", "train_classes")
    assert names == ["9", "0"]
    train, test = sides(data.open("digits"), names)
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
        sides(data.open("digits"), names)


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

    def load(self, split, limit=None):
        found.append(split)
        number = list(sizes).index(split)
        images = np.full([sizes[split], 28, 28, 1], number, np.uint8)
        return Examples(images, np.arange(sizes[split], dtype=np.int32)).take(limit)

    monkeypatch.setattr(data.Dataset, "load", load)
    return found


def test_the_held_out_images_of_mnist_train(read):
    train, test = sides(data.open("mnist"))
    np.testing.assert_array_equal(train.images[:, 0, 0, 0], [0, 0, 1, 1, 1])
    assert len(test) == 4


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
    whole = class_disjoint.load_side(data.open(name), side)
    assert set(read) == splits
    limited = class_disjoint.load_side(data.open(name), side, limit=2)
    np.testing.assert_array_equal(limited.images, whole.images[:2])


@pytest.mark.parametrize(
    "side, limit, files",
    [
        ("train", None, "a/0 a/1 a/2 a/3 b/0 b/1 b/2 b/3"),
        ("test", None, "c/0 c/1 c/2 c/3 d/0 d/1 d/2 d/3"),
        ("test", 3, "c/0 c/1 d/0"),
        ("test", 7, "c/0 c/1 c/2 c/3 d/0 d/1 d/2"),
    ],
)
def test_of_a_folder_no_more_files_are_read_than_needed(tmp_path, side, limit, files, monkeypatch):
    """The first two files of a class are in its folder train."""
    for name in "abcd":
        for number in range(4):
            split = "train" if number < 2 else "val"
            path = tmp_path / split / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tf.io.encode_png(np.full([8, 8, 3], 50 * number, np.uint8)).numpy())
    opened, plain = [], folder.read_file

    def counted(path):
        opened.append(f"{path.parent.name}/{path.stem}")
        return plain(path)

    monkeypatch.setattr(folder, "read_file", counted)
    dataset = data.open("folder", tmp_path, image_size=8)
    found = class_disjoint.load_side(dataset, side, limit=limit)
    assert sorted(opened) == files.split()
    opened.clear()
    whole = class_disjoint.load_side(dataset, side)
    np.testing.assert_array_equal(found.images, whole.images[:limit])
    np.testing.assert_array_equal(found.labels, whole.labels[:limit])


@pytest.mark.parametrize("limit, labels", [(4, [4, 5, 4, 5]), (2, [4, 5]), (5, [4, 5, 6, 7, 4])])
def test_few_images_of_many_classes_have_two_of_a_class(tmp_path, limit, labels):
    for name in "abcdefgh":
        for number in range(3):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(tf.io.encode_png(np.full([8, 8, 3], 50 * number, np.uint8)).numpy())
    dataset = data.open("folder", tmp_path, image_size=8)
    assert class_disjoint.load_side(dataset, "test", limit=limit).labels.tolist() == labels
    assert class_disjoint.load_side(dataset, "train", limit=4).labels.tolist() == [0, 1, 2, 3]


def test_a_folder_with_one_split_too_large_to_be_held_decoded(tmp_path, monkeypatch):
    """Three of four images train: decoded, they alone are above the border."""
    for name in "abcd":
        for number in range(4):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(tf.io.encode_png(np.full([8, 8, 3], 50 * number, np.uint8)).numpy())
    where = {"data_dir": tmp_path, "image_size": 8}
    decoded = sides(data.open("folder", **where))
    monkeypatch.setattr(examples, "MAX_DECODED_BYTES", 8 * 8 * 8 * 3)
    encoded = sides(data.open("folder", **where))
    for one, other in zip(decoded, encoded):
        assert one.images.dtype == np.uint8 and other.images.dtype == object
        np.testing.assert_array_equal(one.labels, other.labels)
        found = [images_of(side, slice(None)) for side in (one, other)]
        np.testing.assert_array_equal(*found)
