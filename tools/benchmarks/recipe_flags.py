"""What the benchmarks of training do with the flags of a recipe."""

import numpy as np

from robust_tf import data
from robust_tf.data import class_disjoint
from robust_tf.data.examples import Examples
from robust_tf.training.learning_rate import learning_rate
from robust_tf.training.optimizer import make_optimizer
from tla_tf.defenses.build import DefenseSettings

RANDOM_IMAGES = 2000


def defense(options):
    """Returns the `DefenseSettings` of the flags of tla_tf.train."""
    return DefenseSettings.read(options.method, options.arguments)


def optimizer(options):
    """Returns the Keras optimiser of a recipe."""
    schedule = options.schedule, options.train_steps, options.warmup_steps
    rate = learning_rate(options.learning_rates, options.boundaries, *schedule)
    return make_optimizer(rate, options.values.get("optimizer", "adam"), options.ema)


def has_data(options):
    """Whether the real images are at hand; else they are random."""
    return bool(options.data_dir) or options.dataset == "digits"


def dataset_of(options):
    """Returns the `robust_tf.data.Dataset` of the flags."""
    return data.of_run(options.flags)


def examples_and_info(options, disjoint=False):
    """Returns the training Examples and the DatasetInfo of a recipe.

    Args:
        options: `Options` of a train command.
        disjoint: whether other classes are kept for the test, as hm_tf does.
    """
    dataset = dataset_of(options)
    if not has_data(options):
        return _random(dataset.info), dataset.info
    if disjoint:
        info, train, _ = class_disjoint.load(dataset)
        return train, info
    return dataset.load("train"), dataset.info


def _random(info):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [RANDOM_IMAGES, *info.image_shape], dtype=np.uint8)
    labels = random.integers(0, info.num_classes, RANDOM_IMAGES)
    return Examples(images, labels.astype(np.int32))
