"""The user's own images: a folder with one subfolder per class."""

import dataclasses
import hashlib
import pathlib

import numpy as np
import tensorflow as tf
from absl import logging

from robust_tf.data.augment import Augment
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples, keeps_encoded
from robust_tf.data.image_files import in_threads, pixels_or_none, report_bad, resize
from robust_tf.data.image_identity import image_identity
from robust_tf.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png")
SIDE = 64
TEST_SHARE = 5  # one in so many images of a class
# What marks a Tiny ImageNet folder. The labels of its other images lie in annotation files.
TINY_IMAGENET = "wnids.txt"


@dataclasses.dataclass(frozen=True)
class FolderInfo(DatasetInfo):
    """A `DatasetInfo` with the files behind it.

    Attributes:
        files: split name -> [(path, label)], class by class in turn.
        empty: names of the subfolders that were left out, since they lack images.
    """

    files: dict = dataclasses.field(default_factory=dict)
    empty: tuple = ()

    @property
    def identity(self):
        """See `image_identity`."""
        return image_identity(self.files, self.source)


def scan(data_dir, image_size, on_bad_image):
    """Returns the `FolderInfo` of a folder; opens no file.

    The folder has either the subfolders train and test, each with one subfolder per class, or the
    classes themselves. Then one fifth of every class is for testing, chosen by a checksum of the
    file names: the same in every run, and other images do not move when some are added. The images
    of a class may lie in its subfolder images, as in Tiny ImageNet, of which only train is read.

    Args:
        data_dir: the folder.
        image_size: int, the side in pixels that all images are resized to; None means 64.
        on_bad_image: see `DatasetInfo`.

    Raises:
        UserError: no folder, fewer than two classes with images, or train and test with others.
    """
    image_size = image_size or SIDE
    if data_dir is None:
        raise UserError("--dataset=folder needs --data_dir=DIR with one subfolder per class")
    root = pathlib.Path(data_dir).expanduser()
    if not root.is_dir():
        raise UserError(f"--data_dir={data_dir} is not a folder; it needs one subfolder per class")
    if (root / TINY_IMAGENET).is_file():
        root = root / "train"
    given = all((root / split).is_dir() for split in ("train", "test"))
    found = _given_splits(root) if given else _own_splits(root)
    classes = sorted(name for name, files in found["train"].items() if files)
    empty = sorted({name for split in found.values() for name in split} - set(classes))
    _check(root, classes)
    if given:
        _check_same(root, classes, found["test"])
    files = {split: _in_turn(found[split], classes) for split in found}
    return FolderInfo(
        name="folder",
        image_shape=(image_size, image_size, 3),
        class_names=tuple(classes),
        splits={split: len(rows) for split, rows in files.items()},
        source=str(root),
        augment=Augment(pad=image_size // 16, flip=True),  # the share of TLA's Tiny ImageNet
        standardize=True,
        files=files,
        empty=tuple(empty),
        on_bad_image=on_bad_image,
    )


def read(info, split, data_dir, limit):
    """Returns the Examples of a split, resized (bilinear, antialiased, aspect ratio not kept).

    Raises:
        UserError: files that cannot be decoded, with on_bad_image="fail"; or none that can.
    """
    if info.empty and split == "train":
        logging.warning("no training images of %s: left out", ", ".join(info.empty))
    rows = info.files[split][:limit]
    # Not by `rows`: metric learning joins both splits.
    encoded = keeps_encoded(sum(info.splits.values()), info.image_shape)

    def load(row):
        pixels = pixels_or_none(row[0].read_bytes(), info.image_shape[-1])
        return None if pixels is None else _resized(pixels, info.image_shape, encoded)

    images = in_threads(load, rows)
    bad = [path for (path, _), image in zip(rows, images) if image is None]
    report_bad(bad, info.on_bad_image)
    labels = [label for (_, label), image in zip(rows, images) if image is not None]
    images = [image for image in images if image is not None]
    return Examples(
        np.array(images, object if encoded else np.uint8),
        np.array(labels, np.int32),
        info.image_shape if encoded else None,
    )


def _given_splits(root):
    return {split: _classes(root / split) for split in ("train", "test")}


def _own_splits(root):
    ordered = {
        name: sorted(files, key=lambda path: hashlib.md5(f"{name}/{path.name}".encode()).digest())
        for name, files in _classes(root).items()
    }
    counts = {name: len(files) // TEST_SHARE or len(files) > 1 for name, files in ordered.items()}
    return {
        "train": {name: files[counts[name] :] for name, files in ordered.items()},
        "test": {name: files[: counts[name]] for name, files in ordered.items()},
    }


def _classes(folder):
    """Returns class name -> paths of its images, both sorted."""
    return {
        entry.name: _images(entry) or _images(entry / "images")
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }


def _images(folder):
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


def _check(root, classes):
    if len(classes) < 2:
        raise UserError(
            f"--data_dir={root} has {len(classes)} subfolder{'s' * (len(classes) != 1)} with "
            f"images ({', '.join(SUFFIXES)}); a classifier needs at least two classes, metric "
            "learning four, two to train and two to test"
        )


def _check_same(root, classes, test):
    tested = {name for name, files in test.items() if files}
    if differing := sorted(tested.symmetric_difference(classes)):
        raise UserError(
            f"{root}: train and test need images of the same classes; "
            f"only one of them has {', '.join(differing)}"
        )


def _in_turn(found, classes):
    """Returns [(path, label)], all classes in turn, so that a limit keeps them balanced."""
    ranked = [
        (rank, label, path)
        for label, name in enumerate(classes)
        for rank, path in enumerate(found.get(name, ()))
    ]
    return [(path, label) for _, label, path in sorted(ranked)]


def _resized(pixels, image_shape, encoded):
    with tf.device("cpu"):
        image = resize(pixels, image_shape)
        return (tf.io.encode_png(image) if encoded else image).numpy()
