"""Training and test classes without a class in common, as metric learning is measured."""

import dataclasses

import numpy as np
from absl import logging

from robust_tf.errors import UserError

# Sets whose own split is one of images, not of classes: both parts are joined and divided anew.
DIVIDED = ("digits", "folder")


def load(dataset, train_classes=None):
    """Returns (DatasetInfo, training Examples, test Examples).

    Digits and folders are divided: the first half of the sorted classes trains, or the classes of a
    file. Sets with disjoint classes are read as they are. So is MNIST: its ten classes train and
    test in the HM authors' code, and its validation images are among the 60,000 that train.

    Args:
        dataset: `Dataset`.
        train_classes: Names of the training classes of a `DIVIDED` set, see
            `text_lines.read_names`.

    Raises:
        UserError: fewer than two classes on a side, or class names that the data do not have.
    """
    info = dataset.info
    if dataset.name in DIVIDED:
        train, test = _divided(dataset, train_classes)
        splits = {"train": len(train), "test": len(test)}
        return dataclasses.replace(info, splits=splits, class_disjoint=True), train, test
    if train_classes is not None:
        allowed = " and ".join(DIVIDED)
        raise UserError(f"--train_classes is for {allowed}; {dataset.name} has its split")
    train, test = (_as_is(dataset, side) for side in ("train", "test"))
    if "validation" in info.splits:
        info = dataclasses.replace(info, splits={"train": len(train), "test": len(test)})
    return info, train, test


def load_side(dataset, side, train_classes=None):
    """Returns the Examples of "train" or "test" of `load`; reads only the splits it needs.

    Arguments and errors: see `load`.
    """
    if dataset.name not in DIVIDED:
        return _as_is(dataset, side)
    train, test = _divided(dataset, train_classes)
    return train if side == "train" else test


def join(first, second):
    """Returns all examples of two sets, in order."""
    images = np.concatenate([first.images, second.images])
    labels = np.concatenate([first.labels, second.labels])
    return dataclasses.replace(first, images=images, labels=labels)


def divide(examples, training_labels):
    """Returns (examples with one of the labels, all others)."""
    trains = np.isin(examples.labels, list(training_labels))
    return examples.rows(trains), examples.rows(~trains)


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


def _divided(dataset, train_classes):
    """Both sides of a set of `DIVIDED`."""
    names = dataset.info.class_names
    labels = [names.index(name) for name in training_classes(dataset.info, train_classes)]
    return divide(join(*(dataset.load(split) for split in ("train", "test"))), labels)


def _as_is(dataset, side):
    """One side of another set; its validation images train."""
    found = dataset.load(side)
    if side == "test" or "validation" not in dataset.info.splits:
        return found
    return join(dataset.load("validation"), found)
