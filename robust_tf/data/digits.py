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
    # The sequence of the labels starts anew about every 130 images: 14 forms, by 13 writers. Of the
    # form at image 1,415, the training has 22 images.
    shift="the test images come from other forms than 1,415 of the 1,437 training images, mostly "
    "by other writers",
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
