"""Data sets, augmentation and the one input pipeline: `open(name, ...)` returns a `Dataset`."""

import importlib

DATASETS = (
    *("digits", "mnist", "cifar10", "cifar100", "svhn_cropped", "tiny_imagenet", "fashion_mnist"),
    *("digit_pairs", "cub200", "cars196", "sop", "folder"),
)

__all__ = ["DATASETS", "SETTINGS", "Dataset", "of_run", "open"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Only now: --help needs the names alone and does not wait for TensorFlow.
    return getattr(importlib.import_module("robust_tf.data.dataset"), name)
