"""Crops, windows and flips against a loop, and the distribution of the draws."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.data.augment import Augment, ResizedCrop, crop_and_flip
from robust_tf.randomness import key

PAD = 2


def images(count, seed=0):
    return np.random.default_rng(seed).integers(1, 256, [count, 6, 5, 3]).astype(np.uint8)


def crop_by_loop(image, pad, row, column, flip):
    padded = np.pad(image, [(pad, pad), (pad, pad), (0, 0)])
    window = padded[row : row + image.shape[0], column : column + image.shape[1]]
    return window[:, ::-1] if flip else window


def test_every_offset_and_flip_matches_the_loop():
    places = [(r, c, f) for r in range(5) for c in range(5) for f in (False, True)]
    x = images(len(places))
    offsets = np.array([p[:2] for p in places], np.int32)
    flips = np.array([p[2] for p in places])
    expected = [crop_by_loop(image, PAD, *place) for image, place in zip(x, places)]
    np.testing.assert_array_equal(crop_and_flip(x, PAD, offsets, flips), expected)


def test_draws_cover_all_offsets_and_half_the_flips():
    count = 4000
    x = tf.repeat(images(1), count, axis=0)
    copies = Augment(pad=PAD, flip=True)(x, key(0, 0, "test")).numpy()
    variants = {
        crop_by_loop(x[0].numpy(), PAD, r, c, f).tobytes(): (r, c, f)
        for r in range(5)
        for c in range(5)
        for f in (False, True)
    }
    drawn = np.array([variants[copy.tobytes()] for copy in copies])
    for axis in (0, 1):
        shares = np.bincount(drawn[:, axis], minlength=5) / count
        np.testing.assert_allclose(shares, 0.2, atol=0.03)
    assert drawn[:, 2].mean() == pytest.approx(0.5, abs=0.03)
    assert abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.06


def ramps(side):
    """Rows of red, columns of green: a window tells where it was cut."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([rows, columns], -1).astype(np.uint8)


def test_windows_of_photos_cover_all_offsets_and_half_the_flips():
    crop, count = ResizedCrop(224), 1500
    assert crop.resized == 256
    places = []
    for part in range(10):
        x = np.broadcast_to(ramps(256), [count // 10, 256, 256, 2])
        copies = crop(x, key(0, part, "test")).numpy()
        assert copies.shape == (count // 10, 224, 224, 2)
        flips = copies[:, 0, 0, 1] > copies[:, 0, -1, 1]
        columns = np.where(flips, copies[:, 0, -1, 1], copies[:, 0, 0, 1])
        places += list(zip(copies[:, 0, 0, 0].astype(int), columns.astype(int), flips))
        for copy, (row, column, flip) in zip(copies[:5], places[-count // 10 :]):
            window = x[0, row : row + 224, column : column + 224]
            np.testing.assert_array_equal(copy, window[:, ::-1] if flip else window)
    places = np.array(places)
    for axis in (0, 1):
        counts = np.bincount(places[:, axis], minlength=33)
        assert len(counts) == 33 and counts.min() > 15 and counts.max() < 90
    assert places[:, 2].mean() == pytest.approx(0.5, abs=0.05)
    assert abs(np.corrcoef(places.T) - np.eye(3)).max() < 0.09


@pytest.mark.parametrize(("size", "resized", "first"), [(224, 256, 16), (64, 73, 4), (28, 32, 2)])
def test_centre_of_photos(size, resized, first):
    crop = ResizedCrop(size)
    assert crop.resized == resized
    window = crop.centre(ramps(resized)[None])
    assert window.shape == (1, size, size, 2)
    np.testing.assert_array_equal(window[0, 0, 0], [first, first])


def test_padding_is_zero():
    white = np.full([1, 4, 4, 1], 255, np.uint8)
    corner = crop_and_flip(white, 3, np.array([[0, 0]]), np.array([False])).numpy()
    assert corner[0, 3, 3, 0] == 255 and corner.sum() == 255


def test_nothing_asked_for_changes_nothing():
    x = images(8)
    np.testing.assert_array_equal(Augment()(x, key(0, 0, "test")), x)


@pytest.mark.parametrize("other", [key(1, 0, "test"), key(0, 1, "test"), key(0, 0, "else")])
def test_draws_depend_on_the_key_only(other):
    x = images(16)
    augment = Augment(pad=PAD, flip=True)
    first = augment(x, key(0, 0, "test")).numpy()
    np.testing.assert_array_equal(first, augment(x, key(0, 0, "test")))
    assert (first != augment(x, other).numpy()).any()
