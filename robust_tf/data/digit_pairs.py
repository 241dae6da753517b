"""Two-digit numbers made of scikit-learn's digits: retrieval of classes that nobody trained."""

import numpy as np

from robust_tf.data import digits
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples

SIDE = 10  # of the field of a digit, which leaves its 8x8 pixels room to move
IMAGES_OF_A_CLASS = {"train": 60, "test": 20}
_SEED = 0

INFO = DatasetInfo(
    name="digit_pairs",
    image_shape=(SIDE, 2 * SIDE, 1),
    class_names=tuple(f"{number:02d}" for number in range(100)),
    splits={split: 50 * count for split, count in IMAGES_OF_A_CLASS.items()},
    source="scikit-learn, sklearn.datasets.load_digits, shifted by a fixed seed",
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
    numbers = [number for number in range(100) if sum(divmod(number, 10)) % 2 == parity]
    labels = rng.permutation(np.repeat(numbers, IMAGES_OF_A_CLASS[split]))
    images = np.zeros((len(labels), *info.image_shape), np.uint8)
    for image, number in zip(images, labels):
        for place, digit in enumerate(divmod(number, 10)):
            chosen = source.images[rng.choice(np.flatnonzero(source.labels == digit))]
            row, column = rng.integers(SIDE - len(chosen) + 1, size=2)
            column += SIDE * place
            image[row : row + len(chosen), column : column + len(chosen)] = chosen
    return Examples(images, labels.astype(np.int32)).take(limit)
