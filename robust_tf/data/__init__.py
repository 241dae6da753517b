"""Data sets, augmentation and the one input pipeline: `open(name, ...)` returns a `Dataset`."""

import importlib

from robust_tf.errors import UserError, with_closest

DATASETS = tuple(
    "digits mnist cifar10 cifar100 svhn_cropped tiny_imagenet fashion_mnist "
    "digit_pairs cub200 cars196 sop folder".split()
)

__all__ = ["DATASETS", "SETTINGS", "Dataset", "of_run", "open"]


def require_data_set(name, allowed=DATASETS):
    """Raises the `UserError` of a name that is no data set, with the names `allowed`."""
    if name not in DATASETS:
        known = ", ".join(allowed)
        raise UserError(f"Unknown data set {with_closest(name, allowed)}; allowed: {known}")


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Only now: --help needs the names alone and does not wait for TensorFlow.
    return getattr(importlib.import_module("robust_tf.data.dataset"), name)
