"""What the benchmarks of training do with the flags of a recipe."""

import copy

import numpy as np

from robust_tf.data import class_disjoint, registry
from robust_tf.data.examples import Examples

RANDOM_IMAGES = 2000


def changed(options, **values):
    """Returns a copy of the absl flags with other values."""
    options = copy.deepcopy(options)
    for name, value in values.items():
        setattr(options, name, value)
    return options


def has_data(options):
    """Whether the real images are at hand; else they are random."""
    return bool(options.data_dir) or options.dataset == "digits"


def examples_and_info(options, disjoint=False):
    """Returns the training Examples and the DatasetInfo of a recipe.

    Args:
        options: resolved flags of a train command.
        disjoint: whether other classes are kept for the test, as hm_tf does.
    """
    reading = {name: getattr(options, name) for name in registry.READING}
    info = registry.get(options.dataset, **reading)
    if not has_data(options):
        return _random(info), info
    if disjoint:
        info, train, _ = class_disjoint.load(options.dataset, **reading)
        return train, info
    return registry.load(options.dataset, "train", **reading), info


def _random(info):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [RANDOM_IMAGES, *info.image_shape], dtype=np.uint8)
    labels = random.integers(0, info.num_classes, RANDOM_IMAGES)
    return Examples(images, labels.astype(np.int32))
