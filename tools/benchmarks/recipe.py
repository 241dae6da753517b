"""What a benchmark of training gets from the flags of a recipe: data, networks, batches, steps."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from robust_tf import data
from robust_tf.data import class_disjoint, pipeline
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from robust_tf.models import registry as models
from robust_tf.training.learning_rate import learning_rate
from robust_tf.training.optimizer import make_optimizer
from robust_tf.training.strategy import use_xla
from tla_tf.defenses.build import DefenseSettings

RANDOM_IMAGES = 2000
BATCHES = 20  # in a row: more than the pipeline has ready while nobody asks


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


def rows(options, known):
    """Returns the rows that --rows names, all without it: dict of name -> flags on top.

    Args:
        options: `Options` of a train command.
        known: dict of all rows, name -> dict of flags.

    Raises:
        UserError: An unknown row.
    """
    chosen = list(known) if options.rows is None else options.rows.split(";")
    for name in chosen:
        if name not in known:
            raise UserError(f"--rows: unknown row {name!r}; choose from {'; '.join(known)}")
    return {name: known[name] for name in chosen}


def title(options):
    """Returns the network and its batches in a few words."""
    return f"{options.model}, {options.batch_size} images of {options.dataset}"


@contextlib.contextmanager
def policy(options):
    """Sets the Keras policy of --precision for the networks that are built in the block."""
    keras.config.set_dtype_policy(options.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def network(options, info):
    """Returns the network of a recipe of tla_tf."""
    with policy(options):
        return models.get(options.model, info)


def model_of(options, info):
    """Returns the `AdversarialModel` of a recipe of tla_tf, not compiled."""
    return defense(options).build(network(options, info))


def train_step(model, options):
    """Returns the function from a batch to the loss of one update, as `fit` makes it."""
    model.compile(optimizer=optimizer(options))
    step = tf.function(model.train_step, jit_compile=use_xla(options.jit_compile), autograph=False)
    return lambda batch: float(step(batch)["loss"])


def dataset(options, examples, info, start_step=0, stop_step=10**6):
    """Returns the training batches of the recipe's method as a tf.data.Dataset."""
    return pipeline.train_dataset(
        examples,
        info,
        batch_size=options.batch_size,
        seed=0,
        start_step=start_step,
        stop_step=stop_step,
        streams=defense(options).streams,
        pool_mul=options.pool_mul,
    )


def input_row(batches):
    """Returns the call that takes `BATCHES` batches from an iterator."""
    return lambda: [next(batches) for _ in range(BATCHES)]


def _random(info):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [RANDOM_IMAGES, *info.image_shape], dtype=np.uint8)
    labels = random.integers(0, info.num_classes, RANDOM_IMAGES)
    return Examples(images, labels.astype(np.int32))
