"""Training and test classes without a class in common."""

import numpy as np
import pytest

from robust_tf.data import class_disjoint, registry
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError


def test_digits_are_divided_by_class():
    info, train, test = class_disjoint.load("digits")
    assert set(train.labels) == {0, 1, 2, 3, 4} and set(test.labels) == {5, 6, 7, 8, 9}
    assert len(train) + len(test) == 1797
    assert info.splits == {"train": len(train), "test": len(test)} and info.class_disjoint
    whole = class_disjoint.join(registry.load("digits", "train"), registry.load("digits", "test"))
    np.testing.assert_array_equal(train.images, whole.images[whole.labels < 5])


def test_training_classes_of_a_file(tmp_path):
    (tmp_path / "classes").write_text("9\n0\n\n")
    _, train, test = class_disjoint.load("digits", train_classes=tmp_path / "classes")
    assert set(train.labels) == {0, 9} and len(set(test.labels)) == 8


@pytest.mark.parametrize(
    "text, message",
    [("0\n", "at least two"), ("0\n1\nten\n", "no class ten"), (None, "not a file")],
)
def test_refused_classes(text, message, tmp_path):
    if text is not None:
        (tmp_path / "classes").write_text(text)
    with pytest.raises(UserError, match=message):
        class_disjoint.load("digits", train_classes=tmp_path / "classes")


@pytest.mark.parametrize("labels, alone", [([3, 1, 3, 1], None), ([5, 2, 5, 1], 2)], ids=str)
def test_training_classes_of_one_image_are_counted(labels, alone, caplog):
    images = np.zeros([4, 2, 2, 1], np.uint8)
    class_disjoint.warn_of_single_images(Examples(images, np.array(labels, np.int32)))
    said = [record.getMessage() for record in caplog.records]
    line = f"training classes with a single image, which pairs with itself: {alone}"
    assert said == ([line] if alone else [])


def test_the_held_out_images_of_mnist_train(monkeypatch):
    def load(name, split, data_dir=None, **reading):
        sizes = {"validation": 2, "train": 3, "test": 4}
        number = list(sizes).index(split)
        images = np.full([sizes[split], 28, 28, 1], number, np.uint8)
        return Examples(images, np.arange(sizes[split], dtype=np.int32))

    monkeypatch.setattr(registry, "load", load)
    info, train, test = class_disjoint.load("mnist")
    np.testing.assert_array_equal(train.images[:, 0, 0, 0], [0, 0, 1, 1, 1])
    assert info.splits == {"train": 5, "test": 4} and len(test) == 4
