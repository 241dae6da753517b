"""The user's own arrays: what an .npz file may hold, and one line for every other file."""

import numpy as np
import pytest

from robust_tf.data.arrays import open_arrays
from robust_tf.errors import UserError


@pytest.mark.parametrize("shape", [[1], [1, 1], [3], [3, 1]])
def test_labels_of_one_image_or_in_a_column(shape, tmp_path):
    images, labels = np.ones([shape[0], 4, 4], np.float64), np.zeros(shape, np.uint8)
    np.savez(tmp_path / "x.npz", x=images, y=labels)
    found = open_arrays(tmp_path / "x.npz").load("test")
    assert found.images.shape == (shape[0], 4, 4, 1) and found.images.dtype == np.float32
    assert found.labels.tolist() == [0] * shape[0]


@pytest.mark.parametrize("kind", [np.float32, np.int64, bool])
def test_one_hot_labels_are_those_of_their_classes(kind, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros([3, 4, 4]), y=np.eye(3, dtype=kind)[[2, 0, 2]])
    assert open_arrays(tmp_path / "x.npz").load("test").labels.tolist() == [2, 0, 2]


def test_a_limit_that_leaves_one_class_is_said(tmp_path, caplog):
    np.savez(tmp_path / "x.npz", x=np.zeros([40, 4, 4]), y=np.repeat([0, 1], 20))
    dataset = open_arrays(tmp_path / "x.npz", ["cat", "dog"])
    for limit, said in ((20, 1), (21, 0), (3, 0), (None, 0)):
        caplog.clear()
        dataset.load("test", limit)
        assert caplog.text.count("x: the first 20 images of test are all of class cat") == said


def torn(path):
    """A compressed file with zeros in its middle."""
    np.savez_compressed(path, images=np.arange(4000, dtype=np.uint8), labels=np.arange(3))
    content = path.read_bytes()
    path.write_bytes(content[:150] + bytes(40) + content[190:])


def with_a_password(path):
    """One changed bit of a file says so."""
    np.savez(path, x=np.zeros([1, 2, 2]), y=[0])
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def array_alone(path):
    with path.open("wb") as file:
        np.save(file, np.zeros([2, 4, 4], np.uint8))


@pytest.mark.parametrize(
    "write, said",
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.touch(), "cannot be read: it is no .npz file"),
        (array_alone, "cannot be read: it is no .npz file"),
        (torn, "cannot be read: it is no .npz file"),
        (with_a_password, "cannot be read: it is no .npz file"),
        (lambda path: np.savez(path, x=np.array([[["a"]]]), y=[0]), "it is no .npz file of numb"),
        (lambda path: np.savez(path, x=np.zeros([1, 2, 2], complex), y=[0]), "it is no .npz file"),
        (lambda path: np.savez(path, x=np.zeros([2, 4, 4]), y=0), r"labels \[\]; they must be"),
        (lambda path: np.savez(path, x=np.zeros([2, 4, 4]), y=np.ones([2, 2])), r"labels \[2, 2\]"),
        (lambda path: np.savez(path, x=np.zeros([0, 4, 4]), y=[]), r"images are \[0, 4, 4, 1\]"),
        (lambda path: np.savez(path, z=np.zeros(2)), "has the arrays z; it needs images and lab"),
        (lambda path: np.savez(path, x=np.full([1, 2, 2], 9), y=[0]), "range from 9 to 9"),
        (lambda path: np.savez(path, x=np.full([1, 2, 2], np.nan), y=[0]), "range from nan"),
        (lambda path: np.savez(path, x=np.zeros([1, 2, 2]), y=[-1]), "whole numbers from 0 to"),
        (lambda path: np.savez(path, x=np.zeros([1, 2, 2]), y=[10**12]), "from 0 to 999,999"),
    ],
)
def test_other_files_are_refused_in_a_line(write, said, tmp_path):
    write(tmp_path / "x.npz")
    with pytest.raises(UserError, match=said) as caught:
        open_arrays(tmp_path / "x.npz")
    assert "\n" not in str(caught.value)
