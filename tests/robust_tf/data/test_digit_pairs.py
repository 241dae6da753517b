"""Two-digit numbers: the same pictures everywhere, classes and digits on one side only."""

import hashlib

import numpy as np
import pytest

from robust_tf import data
from robust_tf.data import digits


@pytest.fixture(scope="module")
def sides():
    dataset = data.open("digit_pairs")
    return {split: dataset.load(split) for split in dataset.info.splits}


def test_the_sides_share_no_class_and_every_digit_trains_in_both_places(sides):
    info = data.open("digit_pairs").info
    classes = {split: set(examples.labels.tolist()) for split, examples in sides.items()}
    assert len(classes["train"]) == len(classes["test"]) == 50
    assert not classes["train"] & classes["test"] and info.class_disjoint
    for places in zip(*(divmod(number, 10) for number in classes["train"])):
        assert set(places) == set(range(10))
    for split, examples in sides.items():
        assert len(examples) == info.splits[split] and examples.image_shape == info.image_shape
        assert set(np.unique(examples.labels, return_counts=True)[1]) == {len(examples) // 50}
        assert len(np.unique(examples.labels[:30])) > 10  # the first n are of many classes


def test_an_image_shows_its_two_digits(sides):
    """Somewhere in each half is an image of the digit, and nothing else."""
    for split, examples in sides.items():
        source = digits.read(digits.INFO, split, None, None)
        for image, number in zip(examples.images[:20, ..., 0], examples.labels):
            for place, digit in enumerate(divmod(int(number), 10)):
                half = image[:, 10 * place : 10 * place + 10]
                windows = np.lib.stride_tricks.sliding_window_view(half, (8, 8)).reshape(-1, 8, 8)
                of_class = source.images[source.labels == digit, ..., 0]
                shown = (windows[:, None] == of_class).all(axis=(2, 3))
                ink = windows.sum(axis=(1, 2), dtype=int)
                assert shown.any() and ink[shown.any(axis=1)].max() == half.sum(dtype=int)


def test_the_images_never_change(sides):
    """A reader that draws otherwise, or another NumPy, would make other numbers of stored runs."""
    found = {
        split: hashlib.sha256(examples.images.tobytes() + examples.labels.tobytes()).hexdigest()[
            :12
        ]
        for split, examples in sides.items()
    }
    assert found == {"train": "2c42398cf9d4", "test": "deea5606d1f2"}


def test_the_first_images(sides):
    few = data.open("digit_pairs").load("test", limit=7)
    np.testing.assert_array_equal(few.images, sides["test"].images[:7])
