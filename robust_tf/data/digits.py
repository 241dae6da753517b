"""The 8x8 digits that come with scikit-learn: real images without a download."""

import numpy as np

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples

INFO = DatasetInfo(
    name="digits",
    image_shape=(8, 8, 1),
    class_names=tuple("0123456789"),
    splits={"train": 1437, "test": 360},
    source="scikit-learn, sklearn.datasets.load_digits",
)


def read(info, split, data_dir, limit):
    """Returns the Examples of a split: the first 1,437 images are train, the last 360 test.

    The values 0..16 become round(255 * value / 16). Nothing is on disk, so `data_dir` is not used.
    """
    from sklearn.datasets import load_digits  # slow to import

    digits = load_digits()
    images = np.round(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    train = info.splits["train"]
    rows = slice(0, train) if split == "train" else slice(train, None)
    return Examples(images[rows], digits.target[rows].astype(np.int32)).take(limit)
