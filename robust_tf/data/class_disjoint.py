"""Training and test classes without a class in common, as metric learning is measured."""

import dataclasses
import pathlib

import numpy as np
from absl import logging

from robust_tf.data import registry
from robust_tf.errors import UserError

# Sets whose own split is one of images, not of classes: both parts are joined and divided anew.
DIVIDED = ("digits", "folder")


def load(name, data_dir=None, train_classes=None, **reading):
    """Returns (DatasetInfo, training Examples, test Examples).

    Digits and folders are divided: the first half of the sorted classes trains, or those of a file.
    Sets of classes that are disjoint already are read as they are. So is MNIST, whose ten classes
    train and test in the HM authors' code, with its held-out images among the 60,000 that train.

    Args:
        name: a data set of `registry.names()`.
        data_dir: folder with the data.
        train_classes: path of a file with one class name per line, for `DIVIDED` sets.
        **reading: see `registry.get`.

    Raises:
        UserError: fewer than two classes on a side, or class names that the data do not have.
    """
    info = registry.get(name, data_dir, **reading)
    parts = [registry.load(name, split, data_dir, **reading) for split in ("train", "test")]
    if name not in DIVIDED:
        if train_classes is not None:
            raise UserError(f"--train_classes is for {' and '.join(DIVIDED)}; {name} has its split")
        if "validation" not in info.splits:
            return info, *parts
        held_out = registry.load(name, "validation", data_dir, **reading)
        train = join(held_out, parts[0])
        splits = {"train": len(train), "test": len(parts[1])}
        return dataclasses.replace(info, splits=splits), train, parts[1]
    labels = [info.class_names.index(name) for name in training_classes(info, train_classes)]
    train, test = divide(join(*parts), labels)
    splits = {"train": len(train), "test": len(test)}
    return dataclasses.replace(info, splits=splits, class_disjoint=True), train, test


def join(first, second):
    """Returns all examples of two sets, in order."""
    images = np.concatenate([first.images, second.images])
    labels = np.concatenate([first.labels, second.labels])
    return dataclasses.replace(first, images=images, labels=labels)


def divide(examples, training_labels):
    """Returns (examples with one of the labels, all others)."""
    trains = np.isin(examples.labels, list(training_labels))
    return tuple(
        dataclasses.replace(examples, images=examples.images[rows], labels=examples.labels[rows])
        for rows in (trains, ~trains)
    )


def warn_of_single_images(examples):
    """Logs one line on how many classes of the training Examples have one image, if any."""
    alone = np.sum(np.unique(examples.labels, return_counts=True)[1] == 1)
    if alone:
        logging.warning("training classes with a single image, which pairs with itself: %d", alone)


def require_two_classes(examples):
    """Raises UserError if the training Examples, perhaps limited, are of one class."""
    if len(np.unique(examples.labels)) < 2:
        raise UserError(
            f"the {len(examples):,} training images are of one class; metric learning needs two: "
            "raise --limit_train"
        )


def training_classes(info, train_classes=None):
    """Returns the names of the classes that train, of a set of `DIVIDED`; see `load`."""
    names = info.class_names
    if train_classes is None:
        chosen = names[: len(names) // 2]
    else:
        path = pathlib.Path(train_classes)
        if not path.is_file():
            raise UserError(f"--train_classes={path} is not a file with one class name per line")
        chosen = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if unknown := sorted(set(chosen) - set(names)):
        raise UserError(f"--train_classes: the data have no class {', '.join(unknown[:5])}")
    if not 2 <= len(set(chosen)) <= len(names) - 2:
        raise UserError(
            f"{len(set(chosen))} of {len(names)} classes would train; metric learning needs at "
            "least two to train and two to test"
        )
    return chosen
