"""The data sets by name. A new one is a file with its facts and reader, and a line here."""

from typing import Callable, NamedTuple, Optional

from robust_tf.data import digits, tfds_images
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.errors import UserError


class Entry(NamedTuple):
    """A data set: its facts, read(info, split, data_dir, limit) -> Examples, and, for data on disk,
    locate(info, data_dir) -> folder of the prepared copy or None."""

    info: DatasetInfo
    read: Callable
    locate: Optional[Callable] = None


_ENTRIES = {
    "digits": Entry(digits.INFO, digits.read),
    "mnist": Entry(tfds_images.MNIST, tfds_images.read, tfds_images.locate),
    "cifar10": Entry(tfds_images.CIFAR10, tfds_images.read, tfds_images.locate),
}


def names():
    """Returns the names of all data sets."""
    return tuple(_ENTRIES)


def get(name):
    """Returns the DatasetInfo of a data set. Raises UserError for an unknown name."""
    return _entry(name).info


def load(name, split, data_dir=None, limit=None):
    """Returns the Examples of a split in a fixed order.

    Args:
        name: one of `names()`.
        split: a key of the DatasetInfo's `splits`.
        data_dir: folder with the data; None means the data set's default place.
        limit: read only the first `limit` images.

    Raises:
        UserError: unknown name or split, limit below 1, data missing and no way to get it.
        RunError: the download or the copy on disk is broken.
    """
    entry = _entry(name)
    if split not in entry.info.splits:
        raise UserError(f"{name} has no split {split!r}; allowed: {', '.join(entry.info.splits)}.")
    if limit is not None and limit < 1:
        raise UserError(f"The number of images must be at least 1, not {limit}.")
    examples = entry.read(entry.info, split, data_dir, limit)
    if not len(examples):
        raise UserError(f"The copy of {name} has no images in its split {split!r}.")
    return examples


def describe(name, data_dir=None):
    """Returns a line on what `load` has ahead of it: how many images, and from where.

    Raises UserError if `data_dir` was given and does not exist.
    """
    info, _, locate = _entry(name)
    images = ", ".join(f"{split} {count:,}" for split, count in info.splits.items())
    if locate is None:
        place = f"from {info.source}"
    else:
        folder = locate(info, data_dir)
        place = f"prepared in {folder}" if folder else f"download of {info.download_mb:g} MB ahead"
    return f"{name}: {images} images, {place}"


def _entry(name):
    if name not in _ENTRIES:
        raise UserError(f"Unknown data set {name!r}; allowed: {', '.join(names())}.")
    return _ENTRIES[name]
