"""The user's own images and labels, as arrays in an .npz file."""

import pathlib

import numpy as np

from robust_tf.attacks.logits_of import is_one_hot
from robust_tf.data.dataset import Dataset, Reader
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples
from robust_tf.errors import UNREADABLE, UserError

LARGEST_LABEL = 999_999
NAMES = (("images", "labels"), ("x", "y"), ("x_test", "y_test"))


def open_arrays(path, class_names=None, num_classes=0):
    """Returns the `Dataset` of an .npz file; all its images are of the split "test".

    Args:
        path: File with `images`, [n, h, w, c] or [n, h, w], uint8 or float in [0, 1], and
            `labels`, int [n]. They may be called `x` and `y`, or `x_test` and `y_test`.
        class_names: names of the classes in the order of the labels; None means the numbers.
        num_classes: the number of classes without names; more where a label is larger.

    Raises:
        UserError: no such file, other arrays, values outside the range, labels without a name.
    """
    images, labels = _read(path)
    _check(path, images, labels, class_names)
    if class_names is None:
        class_names = map(str, range(max(num_classes, int(labels.max()) + 1)))
    info = DatasetInfo(
        name=pathlib.Path(path).stem,
        image_shape=tuple(images.shape[1:]),
        class_names=tuple(class_names),
        splits={"test": len(images)},
        source=str(path),
    )
    examples = Examples(images, labels.astype(np.int32))

    def read(info, split, data_dir, limit):
        return examples if limit is None else examples.take(limit)

    return Dataset(info, Reader(info, read), None)


def _read(path):
    try:
        with np.load(path) as stored:
            pair = next((pair for pair in NAMES if set(pair) <= set(stored.files)), None)
            if pair is None:
                raise UserError(
                    f"--images={path} has the arrays {', '.join(stored.files)}; it needs images "
                    "and labels, or x and y"
                )
            images, labels = (stored[name] for name in pair)
        if images.dtype != np.uint8:
            images = images.astype(np.float32, casting="same_kind")
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or "it is no .npz file of numbers"
        raise UserError(f"--images={path} cannot be read: {reason}") from error
    if images.ndim == 3:
        images = images[..., None]
    if labels.ndim == 2 and labels.shape[1] > 1 and is_one_hot(labels):
        return images, labels.argmax(axis=1)
    return images, labels.reshape(-1) if labels.size == len(images) else labels


def _check(path, images, labels, class_names):
    if images.ndim != 4 or not images.size or labels.shape != images.shape[:1]:
        raise UserError(
            f"--images={path}: images are {list(images.shape)} and labels {list(labels.shape)}; "
            "they must be [n, h, w, c] and [n], or one-hot [n, classes]"
        )
    if images.dtype != np.uint8 and not (images.min() >= 0 and images.max() <= 1):  # false for NaN
        raise UserError(
            f"--images={path}: float images range from {images.min():g} to {images.max():g}; they "
            "must be in [0, 1], or uint8"
        )
    # Each class gets a name: numbers of customers would fill the memory.
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > LARGEST_LABEL:
        raise UserError(
            f"--images={path}: labels must be whole numbers from 0 to {LARGEST_LABEL:,}"
        )
    if class_names is not None and labels.max() >= len(class_names):
        raise UserError(
            f"--images={path}: a label is {labels.max()}, --class_names has only "
            f"{len(class_names)} names"
        )
