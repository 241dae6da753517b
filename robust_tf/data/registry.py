"""The data sets by name. A new one is a file with its facts and reader, a line here and its name
in names.py."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

from robust_tf.data import (
    cars196,
    cub200,
    digits,
    folder,
    stanford_online_products,
    tfds_images,
    tiny_imagenet,
)
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.names import DATASETS
from robust_tf.errors import UserError


class Entry(NamedTuple):
    """A data set: its facts or function (data_dir, image_size, on_bad_image) -> facts,
    read(info, split, data_dir, limit) -> Examples, and, for data that may have to be fetched,
    locate(info, data_dir) -> place of the copy or None, and, for data that can be downloaded,
    reach(info, data_dir), which raises UserError if the place of the download does not answer."""

    info: DatasetInfo | Callable
    read: Callable
    locate: Callable | None = None
    reach: Callable | None = None


_TFDS = (tfds_images.read, tfds_images.locate, tfds_images.reach)
_ENTRIES = {
    "digits": Entry(digits.INFO, digits.read),
    "mnist": Entry(tfds_images.MNIST, *_TFDS),
    "cifar10": Entry(tfds_images.CIFAR10, *_TFDS),
    "tiny_imagenet": Entry(
        tiny_imagenet.TINY_IMAGENET,
        tiny_imagenet.read,
        tiny_imagenet.locate,
        tiny_imagenet.reach,
    ),
    "fashion_mnist": Entry(tfds_images.FASHION_MNIST, *_TFDS),
    "cub200": Entry(cub200.facts, cub200.read, cub200.locate, cub200.reach),
    "cars196": Entry(cars196.facts, cars196.read, cars196.locate),
    "sop": Entry(
        stanford_online_products.facts,
        stanford_online_products.read,
        stanford_online_products.locate,
    ),
    "folder": Entry(folder.scan, folder.read),
}

# Names of the arguments that say where and how a data set is read.
READING = ("data_dir", "image_size", "on_bad_image")
# Those of them that only sets of image files obey, see `reads_files`.
OF_FILES = ("image_size", "on_bad_image")


def names():
    """Returns the names of all data sets."""
    return DATASETS


def get(name, data_dir=None, *, image_size=None, on_bad_image=None):
    """Returns the DatasetInfo of a data set.

    Args:
        name: one of `names()`.
        data_dir: folder with the data; None means the data set's default place.
        image_size: side in pixels of the images that a network sees; None means 64 for "folder",
            224 for "cub200", "cars196" and "sop". Other data sets have theirs.
        on_bad_image: "fail" (None means that) or "skip", what these four do about files that they
            cannot decode.

    Raises:
        UserError: unknown name, or, for "folder", a `data_dir` that holds no classes.
    """
    info = _entry(name).info
    if data_dir is not None and not pathlib.Path(data_dir).expanduser().exists():
        raise UserError(f"--data_dir={data_dir} is not a folder: it does not exist.")
    return info(data_dir, image_size, on_bad_image or "fail") if callable(info) else info


def reads_files(name):
    """Whether a data set is one of image files of any size, resized, and perhaps undecodable."""
    return callable(_entry(name).info)


def load(name, split, data_dir=None, limit=None, **reading):
    """Returns the Examples of a split in a fixed order.

    Args:
        name: one of `names()`.
        split: a key of the DatasetInfo's `splits`.
        data_dir: folder with the data; None means the data set's default place.
        limit: read only the first `limit` images.
        **reading: image_size and on_bad_image, see `get`.

    Raises:
        UserError: unknown name or split, limit below 1, data missing and no way to get it, files
            that cannot be decoded.
        RunError: the download or the copy on disk is broken.
    """
    info = get(name, data_dir, **reading)
    if split not in info.splits:
        raise UserError(f"{name} has no split {split!r}; allowed: {', '.join(info.splits)}.")
    if limit is not None and limit < 1:
        raise UserError(f"The number of images must be at least 1, not {limit}.")
    examples = _entry(name).read(info, split, data_dir, limit)
    if not len(examples):
        raise UserError(f"The copy of {name} has no images in its split {split!r}.")
    return examples


def require(name, data_dir=None, **reading):
    """Raises UserError if the data would have to be downloaded and the network does not answer."""
    info, entry = get(name, data_dir, **reading), _entry(name)
    if entry.reach is not None and entry.locate(info, data_dir) is None:
        entry.reach(info, data_dir)


def describe(name, data_dir=None, images=None, **reading):
    """Returns a line on what `load` has ahead of it: how many images, and from where.

    Args:
        name, data_dir, **reading: see `get`.
        images: how many, in words; by default those of the splits.

    Raises UserError if `data_dir` was given and does not exist.
    """
    info = get(name, data_dir, **reading)
    splits = ", ".join(f"{split} {count:,}" for split, count in info.splits.items())
    place = _copy(name, info, data_dir) or f"from {info.source}"
    return f"{name}: {images or f'{splits} images'}, {place}"


def announce(name, data_dir=None, **reading):
    """Returns a line on the copy that `load` will read or fetch, None for data that have none.

    Arguments and errors as of `describe`.
    """
    copy = _copy(name, get(name, data_dir, **reading), data_dir)
    return copy and f"reading {name}, {copy}"


def _copy(name, info, data_dir):
    """Where the copy of a data set is, in words; None for data that have none."""
    locate = _entry(name).locate
    if locate is None:
        return None
    found = locate(info, data_dir)
    return f"prepared in {found}" if found else f"download of {info.download_mb:g} MB ahead"


def _entry(name):
    if name not in _ENTRIES:
        raise UserError(f"Unknown data set {name!r}; allowed: {', '.join(names())}.")
    return _ENTRIES[name]
