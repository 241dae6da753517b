"""The data sets by name. A new one is a file with its facts and reader, a line here and its name
in __init__.py."""

import copy
import dataclasses
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from absl import logging

from robust_tf.data import (
    cars196,
    cub200,
    digit_pairs,
    digits,
    folder,
    require_data_set,
    stanford_online_products,
    tfds_images,
    tiny_imagenet,
)
from robust_tf.data.dataset_info import DatasetInfo, FileSettings
from robust_tf.data.text_lines import first_of, printable
from robust_tf.errors import UserError


class Reader(NamedTuple):
    """How a data set is read.

    Attributes:
        info: DatasetInfo, or function (data_dir, `FileSettings`) -> DatasetInfo for sets of image
            files.
        read: function (info, split, data_dir, limit) -> Examples.
        locate: function (info, data_dir) -> place of the copy, None where there is no copy yet.
            None for data that come with a package.
        reach: function (info, data_dir) that raises UserError if the address of the download does
            not answer. None for data that cannot be downloaded.
    """

    info: DatasetInfo | Callable
    read: Callable
    locate: Callable | None = None
    reach: Callable | None = None


# So many images of one class in a row are no accident.
SEVERAL = 10

# All arguments of `open` beside the name.
SETTINGS = ("data_dir", *(field.name for field in dataclasses.fields(FileSettings)))

_TFDS = (tfds_images.read, tfds_images.locate, tfds_images.reach)
_READERS = {
    "digits": Reader(digits.INFO, digits.read),
    "digit_pairs": Reader(digit_pairs.INFO, digit_pairs.read),
    "mnist": Reader(tfds_images.MNIST, *_TFDS),
    "cifar10": Reader(tfds_images.CIFAR10, *_TFDS),
    "cifar100": Reader(tfds_images.CIFAR100, *_TFDS),
    "svhn_cropped": Reader(tfds_images.SVHN, *_TFDS),
    "tiny_imagenet": Reader(
        tiny_imagenet.TINY_IMAGENET,
        tiny_imagenet.read,
        tiny_imagenet.locate,
        tiny_imagenet.reach,
    ),
    "fashion_mnist": Reader(tfds_images.FASHION_MNIST, *_TFDS),
    "cub200": Reader(cub200.facts, cub200.read, cub200.locate, cub200.reach),
    "cars196": Reader(cars196.facts, cars196.read, cars196.locate),
    "sop": Reader(
        stanford_online_products.facts,
        stanford_online_products.read,
        stanford_online_products.locate,
    ),
    "folder": Reader(folder.scan, folder.read),
}


class Dataset:
    """The facts and the images of one data set; made by `open`.

    Attributes:
        info: DatasetInfo.
        data_dir: folder with the data; None means the data set's default place.
    """

    def __init__(self, info, reader, data_dir):
        self.info, self.data_dir, self._reader = info, data_dir, reader
        self._notices = list(info.notices)
        if data_dir and reader.locate is None and not callable(reader.info):
            self._notices.append(
                f"--data_dir={printable(data_dir)} is not read: {info.name} come from "
                f"{info.source}; for a folder of images add --dataset=folder"
            )

    @property
    def name(self):
        """The name that `open` knows the data set by."""
        return self.info.name

    def load(self, split, limit=None, *, every_class=False):
        """Returns the Examples of a split in a fixed order; logs the notices of `info` once.

        Where a limit leaves one class of sorted images, it logs that, too.

        Args:
            split: a key of `info.splits`.
            limit: read only the first `limit` images; None means all.
            every_class: whether to refuse a class that loses all its images to --on_bad_image=skip:
                a classifier would have a logit for it that nothing trains.

        Raises:
            UserError: unknown split, limit below 1, data missing and no way to get them, files
                that cannot be decoded, a lost class.
            RunError: the download or the copy on disk is broken.
        """
        if split not in self.info.splits:
            allowed = ", ".join(self.info.splits)
            raise UserError(f"{self.name} has no split {split!r}; allowed: {allowed}.")
        if limit is not None and limit < 1:
            raise UserError(f"The number of images must be at least 1, not {limit}.")
        while self._notices:
            logging.warning("%s", self._notices.pop(0))
        examples = self._reader.read(self.info, split, self.data_dir, limit)
        if not len(examples):
            raise UserError(f"The copy of {self.name} has no images in its split {split!r}.")
        if limit is not None and len(examples) >= SEVERAL and np.ptp(examples.labels) == 0:
            only = self.info.class_names[examples.labels[0]]
            logging.warning(
                "%s: the first %d images of %s are all of class %s",
                self.name,
                len(examples),
                split,
                only,
            )
        if every_class:
            self._refuse_lost_classes(examples, self.info.labels_of(split, limit))
        return examples

    def of_labels(self, labels, limit=None):
        """Returns the same data set, whose `load` may leave out all other images.

        Args:
            labels: int [k], of the images that are wanted, in any split.
            limit: Number of images, the first ones of all splits; None means all.
        """
        other = copy.copy(self)
        other.info = self.info.of_labels(labels, limit)
        return other

    def require(self):
        """Raises UserError if a download is needed and the network does not answer."""
        if self._reader.reach is not None and not self.at_hand:
            self._reader.reach(self.info, self.data_dir)

    @property
    def at_hand(self):
        """Whether `load` finds a copy on this machine."""
        locate = self._reader.locate
        return locate is None or locate(self.info, self.data_dir) is not None

    def describe(self, images=None):
        """Returns a line on what `load` reads: how many images, and from where.

        Args:
            images: the number of images in words; None means the sizes of the splits.
        """
        splits = ", ".join(f"{split} {count:,}" for split, count in self.info.splits.items())
        place = self._copy() or f"from {printable(self.info.source)}"
        return f"{self.name}: {images or f'{splits} images'}, {place}"

    def announce(self):
        """Says, before `load` reads or downloads a copy, where it is."""
        if copy := self._copy():
            print(f"reading {self.name}, {copy}", flush=True)

    def _refuse_lost_classes(self, examples, expected):
        if lost := sorted(expected - set(examples.labels.tolist())):
            names = first_of([self.info.class_names[label] for label in lost])
            raise UserError(
                f"{self.name}: no training image can be read of {names}; mend the images, or "
                "remove the folders of these classes"
            )

    def _copy(self):
        """Where the copy of the data set is, in words; None for data without one."""
        if self._reader.locate is None:
            return None
        found = self._reader.locate(self.info, self.data_dir)
        if found:
            return f"prepared in {printable(found)}"
        return f"download of {self.info.download_mb:g} MB ahead"


def open(name, data_dir=None, **settings):
    """Returns a `Dataset`; reads no image.

    Args:
        name: one of `DATASETS`.
        data_dir: folder with the data; None means the data set's default place.
        **settings: fields of `FileSettings`; None means the default. They count for data sets of
            image files: "folder", "cub200", "cars196" and "sop".

    Raises:
        UserError: unknown name, a `data_dir` that does not exist, that may not be read or, for
            "folder", that holds no classes.
    """
    require_data_set(name)
    data_dir = data_dir and os.path.expanduser(data_dir)
    if data_dir is not None:
        _require_readable(data_dir)
    reader = _READERS[name]
    given = {field: value for field, value in settings.items() if value is not None}
    info = reader.info
    if callable(info):
        info = info(data_dir, FileSettings(**given))
    return Dataset(info, reader, data_dir)


def _require_readable(data_dir):
    """Raises UserError unless the place of the data, a folder or an archive, can be read.

    A reader would name some file in it, or say that it is not there.
    """
    try:
        is_folder = stat.S_ISDIR(os.stat(data_dir).st_mode)
        allowed = os.access(data_dir, os.R_OK | os.X_OK if is_folder else os.R_OK)
    except PermissionError:  # in a folder that the user may not enter
        allowed = False
    except OSError as error:
        raise UserError(f"--data_dir={data_dir} is not a folder: it does not exist.") from error
    if not allowed:
        raise UserError(f"--data_dir={data_dir} cannot be read: no permission; name another")


def of_run(flags, data_dir=None):
    """Returns the `Dataset` of a run.

    Args:
        flags: mapping of the run's resolved flags, name -> value. Older runs lack some settings.
        data_dir: where the data are now; None means the place in `flags`.

    Raises:
        UserError: see `open`.
    """
    settings = {name: flags.get(name) for name in SETTINGS}
    return open(flags["dataset"], **{**settings, "data_dir": data_dir or settings["data_dir"]})
