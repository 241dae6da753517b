"""The user's own images: a folder with one subfolder per class."""

import collections
import dataclasses
import functools
import hashlib
import pathlib
import re

import numpy as np
import tensorflow as tf

from robust_tf.data.augment import Augment
from robust_tf.data.class_folders import (
    SUFFIXES,
    LeftOut,
    class_folders,
    first_with_images,
    images,
    in_turn,
    other_folder,
    subfolders,
)
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.displayed import displayed, say_sixteen_bit, sixteen_bit
from robust_tf.data.examples import Examples, keeps_encoded
from robust_tf.data.image_files import decoded, read_all, read_file, resize
from robust_tf.data.image_identity import image_identity
from robust_tf.data.text_lines import first_of, printable, read_names
from robust_tf.errors import UserError

SIDE = 64
TEST_SHARE = 5  # one in so many images of a class
TESTS = ("test", "val", "valid", "validation")  # names of the folder of test images
# What marks a Tiny ImageNet folder. The labels of its other images lie in annotation files.
TINY_IMAGENET = "wnids.txt"


@dataclasses.dataclass(frozen=True)
class FolderInfo(DatasetInfo):
    """A `DatasetInfo` with the files behind it.

    Attributes:
        files: split name -> [(path, label)], class by class in turn.
        encoded: whether the images of all splits are too large to be held decoded.
    """

    files: dict = dataclasses.field(default_factory=dict)
    encoded: bool = False

    @functools.cached_property  # on a network each file is a question to the server
    def identity(self):
        """See `image_identity`."""
        return image_identity(self.files, self.source)

    def labels_of(self, split, limit):
        return {label for _, label in self.files[split][:limit]}

    def of_labels(self, labels, limit):
        """See `Dataset.of_labels`: one split, of the files of these labels."""
        wanted, split = set(labels), " and ".join(self.files)
        rows = [row for rows in self.files.values() for row in rows if row[1] in wanted][:limit]
        return dataclasses.replace(self, files={split: rows}, splits={split: len(rows)})


def scan(data_dir, settings):
    """Returns the `FolderInfo` of a folder; opens no file.

    The folder has either the subfolders train and test (or val), each with one subfolder per class,
    or the classes themselves. Then one fifth of every class is for testing, chosen by a checksum of
    the file names: the same in every run. When images are added, at most as many others change
    sides; when a class is added, none.

    The images of a class may lie in its subfolder images, as in Tiny ImageNet, of which only train
    is read. Labels follow the order of the class names as text, or of the file of class names.

    Args:
        data_dir: the folder.
        settings: `FileSettings`; without an image size it is 64.

    Raises:
        UserError: no folder, fewer than two classes with images, train and test with other classes,
            or other class names than the file's.
    """
    side = settings.image_size or SIDE
    if data_dir is None:
        raise UserError("--dataset=folder needs --data_dir=DIR with one subfolder per class")
    root = pathlib.Path(data_dir)
    if not root.is_dir():
        raise UserError(f"--data_dir={data_dir} is not a folder; it needs one subfolder per class")
    if (root / TINY_IMAGENET).is_file():
        root = root / "train"
    left_out, test = LeftOut(), _test_folder(root)
    found = _given_splits(root, test, left_out) if test else _own_splits(root, left_out)
    folders = sorted(name for name, files in found["train"].items() if files)
    _check(root, folders, left_out, given=bool(test))
    if test:
        _check_same(root, test.name, folders, found["test"])
    ordered = _ordered(folders, settings.class_names)
    files = {split: in_turn(_labelled(found[split], ordered)) for split in found}
    image_shape = (side, side, 1 if settings.grayscale else 3)
    empty = {name for split in found.values() for name in split} - set(folders)
    return FolderInfo(
        name="folder",
        image_shape=image_shape,
        class_names=tuple(map(printable, ordered)),
        splits={split: len(rows) for split, rows in files.items()},
        source=str(root),
        augment=Augment(pad=side // 16, flip=True),  # the share of TLA's Tiny ImageNet
        standardize=True,
        settings=settings,
        files=files,
        encoded=keeps_encoded(sum(map(len, files.values())), image_shape),
        notices=tuple(_notices(root, ordered, settings.class_names, empty, left_out)),
    )


def read(info, split, data_dir, limit):
    """Returns the Examples of a split, resized (bilinear, antialiased, aspect ratio not kept).

    Raises:
        UserError: files that cannot be read, with on_bad_image="fail".
    """
    rows = info.files[split][:limit]

    def load(path):
        data = read_file(path)
        pixels = decoded(displayed(data, info.settings.max_pixels), info.image_shape[-1])
        with tf.device("cpu"):
            fits = pixels.shape == info.image_shape
            image = pixels if fits else resize(pixels, info.image_shape)
            # The fastest level: a third of the time of the usual one, a seventh more bytes.
            image = tf.io.encode_png(image, compression=1) if info.encoded else image
        return image.numpy(), sixteen_bit(data)

    kept, found = read_all([path for path, _ in rows], load, info.settings.on_bad_image)
    rows = [rows[row] for row in kept]
    say_sixteen_bit([path for (path, _), (_, sixteen) in zip(rows, found) if sixteen])
    return Examples(
        np.array([image for image, _ in found], object if info.encoded else np.uint8),
        np.array([label for _, label in rows], np.int32),
        info.image_shape if info.encoded else None,
    )


def _test_folder(root):
    """The folder of test images beside `train`; None where the folders are classes."""
    train = root / "train"
    test = next((root / name for name in TESTS if (root / name).is_dir()), None)
    if not train.is_dir() or test is None:
        return None
    others = [entry for entry in subfolders(root) if entry.name not in ("train", *TESTS)]
    if images(train) and not any(map(images, subfolders(train))):
        if others:
            return None  # classes that happen to have these names
        raise UserError(
            f"--data_dir={root}: its folders train and {test.name} hold images without classes; "
            "put the images of every class into a subfolder of its name"
        )
    return test


def _given_splits(root, test, left_out):
    unread = {entry.name for entry in subfolders(root)} - {"train", test.name}
    left_out.folders = sorted(map(printable, unread))
    return {
        "train": class_folders(root / "train", left_out),
        "test": class_folders(test, left_out),
    }


def _own_splits(root, left_out):
    ordered = {name: _by_checksum(name, f) for name, f in class_folders(root, left_out).items()}
    counts = {name: len(files) // TEST_SHARE or len(files) > 1 for name, files in ordered.items()}
    return {
        "train": {name: files[counts[name] :] for name, files in ordered.items()},
        "test": {name: files[: counts[name]] for name, files in ordered.items()},
    }


def _by_checksum(name, files):
    def checksum(path):
        return hashlib.md5(f"{name}/{path.name}".encode("utf-8", "surrogateescape")).digest()

    return sorted(files, key=checksum)


def _check(root, classes, left_out, *, given):
    if len(classes) < 2:
        place = None if classes or given else _above_the_classes(root)
        raise UserError(
            f"--data_dir={root} has {len(classes)} subfolder{'s' * (len(classes) != 1)} with "
            f"images ({', '.join(SUFFIXES)}); a classifier needs at least two classes, metric "
            "learning four, two to train and two to test"
            f"{other_folder('data_dir', place, left_out)}"
        )


def _above_the_classes(root):
    """The folder that may be meant where the classes lie deeper; None without images."""
    if not (below := first_with_images(root)):
        return None
    split = below.parent.name in ("train", *TESTS)
    return below.parent.parent if split else below.parent


def _check_same(root, test_name, classes, test):
    tested = {name for name, files in test.items() if files}
    if differing := sorted(tested.symmetric_difference(classes)):
        raise UserError(
            f"{root}: train and {test_name} need images of the same classes; "
            f"only one of them has {first_of(differing)}"
        )


def _ordered(folders, path):
    """The names of the folders, sorted, in the order of their labels."""
    if path is None:
        return folders
    names, by_name = read_names(path, "class_names"), {printable(f): f for f in folders}
    if len(set(names)) < len(names):
        counts = collections.Counter(names)
        twice = next(name for name in names if counts[name] > 1)
        raise UserError(f"--class_names={path} names {twice} twice")
    if differing := sorted(by_name.keys() ^ set(names)):
        raise UserError(
            f"--class_names={path} has {len(names)} names, the data {len(folders)} classes with "
            f"images; only one of them has {first_of(differing)}"
        )
    return [by_name[name] for name in names]


def _notices(root, classes, path, empty, left_out):
    """Yields lines on what a user may not expect of the folder."""
    if str(left_out):
        yield f"{printable(root)}: not read: {left_out}"
    if empty:
        yield f"no training images of {first_of(sorted(empty))}: left out"
    if path is None and classes != sorted(classes, key=_natural):
        order = ", ".join(map(printable, classes[:5]))
        yield (
            f"the classes have their labels in the order of their names as text: {order}, ...; "
            "--class_names=FILE gives another order"
        )


def _natural(name):
    """Key by which 2 comes before 10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _labelled(found, classes):
    """Returns [(path, label)] of each class."""
    return [[(path, label) for path in found.get(n, ())] for label, n in enumerate(classes)]
