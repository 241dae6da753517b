"""Two-digit numbers of scikit-learn's digits, shifted and cluttered: retrieval of unseen classes."""

import numpy as np

from robust_tf.data import digits
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples

SHAPE = (10, 20)  # the digits of 8x8 pixels have two pixels of room, up and down and sideways
IMAGES_OF_A_CLASS = {"train": 60, "test": 20}
CLUTTER = 4  # pieces of other digits in an image
PIECE = 4  # side of a piece in pixels
_SEED = 0

INFO = DatasetInfo(
    name="digit_pairs",
    image_shape=(*SHAPE, 1),
    class_names=tuple(f"{number:02d}" for number in range(100)),
    splits={split: 50 * count for split, count in IMAGES_OF_A_CLASS.items()},
    source="scikit-learn, sklearn.datasets.load_digits, shifted and cluttered by a fixed seed",
    class_disjoint=True,
)


def read(info, split, data_dir, limit):
    """Returns the Examples of a split, in an order that mixes the classes.

    The 50 numbers whose two digits have an even sum train; the other 50 are searched. Every digit
    trains in both places, while no number does. Training and test images are made of the training
    and test images of `digits`. The pictures are the same on every machine.
    """
    source = digits.read(digits.INFO, split, data_dir, None)
    rng = np.random.default_rng([_SEED, list(info.splits).index(split)])
    parity = 0 if split == "train" else 1
    numbers = [n for n in range(100) if sum(divmod(n, 10)) % 2 == parity]
    labels = rng.permutation(np.repeat(numbers, IMAGES_OF_A_CLASS[split]))
    images = np.zeros((len(labels), *SHAPE), np.uint8)
    for image, number in zip(images, labels):
        _add_clutter(image, source.images[..., 0], rng)
        for place, digit in enumerate(divmod(number, 10)):
            of_class = np.flatnonzero(source.labels == digit)
            chosen = source.images[rng.choice(of_class), ..., 0]
            _paste(image[:, 10 * place : 10 * place + 10], chosen, rng)
    return Examples(images[..., None], labels.astype(np.int32)).take(limit)


def _add_clutter(image, sources, rng):
    for _ in range(CLUTTER):
        row, column = rng.integers(0, 8 - PIECE + 1, 2)
        piece = sources[rng.integers(len(sources)), row : row + PIECE, column : column + PIECE]
        _paste(image, piece, rng)


def _paste(image, piece, rng):
    """Puts a piece at a random place; the lighter pixel stays."""
    height, width = piece.shape
    row = rng.integers(image.shape[0] - height + 1)
    column = rng.integers(image.shape[1] - width + 1)
    window = image[row : row + height, column : column + width]
    np.maximum(window, piece, out=window)
