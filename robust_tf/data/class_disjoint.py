"""Training and test classes without a class in common, as metric learning is measured."""

import dataclasses
import functools

import numpy as np
from absl import logging

from robust_tf.errors import UserError

# Sets whose own split is one of images, not of classes: both parts are joined and divided anew.
DIVIDED = ("digits", "folder")


def load_side(dataset, side, train_classes=None, limit=None):
    """Returns the Examples of one side; reads no image of the other side, and none past the limit.

    Digits and folders are divided: the first half of the sorted classes trains, or the classes of a
    file. Sets with disjoint classes are read as they are. So is MNIST: its ten classes train and
    test in the HM authors' code, and its validation images are among the 60,000 that train.

    Args:
        dataset: `Dataset`.
        side: "train" or "test".
        train_classes: Names of the training classes of a `DIVIDED` set, see
            `text_lines.read_names`.
        limit: Number of images, the first ones; None means all. Of fewer test images than a
            `DIVIDED` set has test classes, each class that is left has two.

    Raises:
        UserError: fewer than two classes on a side, or class names that the data do not have.
    """
    if dataset.name in DIVIDED:
        chosen = set(training_classes(dataset.info, train_classes))
        trains = np.array([name in chosen for name in dataset.info.class_names])
        labels = np.flatnonzero(trains == (side == "train"))
        if side == "test" and limit is not None and limit <= len(labels):
            # The classes take turns: the first images would be of as many classes.
            labels = labels[: max(2, limit // 2)]
        return _of_labels(dataset, labels, limit)
    if train_classes is not None:
        allowed = " and ".join(DIVIDED)
        raise UserError(f"--train_classes is for {allowed}; {dataset.name} has its split")
    if side == "test" or "validation" not in dataset.info.splits:
        return dataset.load(side, limit)
    return join(dataset.load("validation"), dataset.load("train")).take(limit)


def join(first, second):
    """Returns all examples of two sets, in order."""
    images = np.concatenate([first.images, second.images])
    labels = np.concatenate([first.labels, second.labels])
    return dataclasses.replace(first, images=images, labels=labels)


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
    chosen = names[: len(names) // 2] if train_classes is None else train_classes
    if unknown := sorted(set(chosen) - set(names)):
        raise UserError(f"--train_classes: the data have no class {', '.join(unknown[:5])}")
    if not 2 <= len(set(chosen)) <= len(names) - 2:
        raise UserError(
            f"{len(set(chosen))} of {len(names)} classes would train; metric learning needs at "
            "least two to train and two to test"
        )
    return chosen


def _of_labels(dataset, labels, limit):
    """The first images of both splits that have one of the labels, int [k]."""
    part = dataset.of_labels(labels, limit)
    found = functools.reduce(join, map(part.load, part.info.splits))
    return found.rows(np.isin(found.labels, labels)).take(limit)
