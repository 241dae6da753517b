"""What a benchmark of training gets from the flags of a recipe: data, networks, batches, steps."""

import keras
import numpy as np
import tensorflow as tf

import hm_tf.train
import tla_tf.train
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from robust_tf.training.strategy import use_xla

RANDOM_IMAGES = 2000
BATCHES = 20  # in a row: more than the pipeline has ready while nobody asks


def training_run(options):
    """Returns the `TrainingRun` of the flags of tla_tf.train or hm_tf.train; reads no image."""
    package = hm_tf if options.table.family == "hm" else tla_tf
    return package.train.training_run(options)


def has_data(options):
    """Whether the real images are at hand; else they are random."""
    return bool(options.data_dir) or options.dataset == "digits"


def examples(run, options):
    """Returns the training Examples of a run, or random ones."""
    return run.images[0] if has_data(options) else _random(run.info)


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


def network(run):
    """Returns the network of a run, under its Keras policy."""
    keras.config.set_dtype_policy(run.settings.precision)
    try:
        return run.build_network()
    finally:
        keras.config.set_dtype_policy("float32")


def model_of(run):
    """Returns the `AdversarialModel` of a run, not compiled."""
    return run.settings.defense.build(network(run))


def train_step(model, run):
    """Returns the function from a batch to the loss of one update, as `fit` makes it."""
    model.compile(optimizer=run.settings.make_optimizer())
    xla = use_xla(run.settings.jit_compile)
    step = tf.function(model.train_step, jit_compile=xla, autograph=False)
    return lambda batch: float(step(batch)["loss"])


def batches(run, examples):
    """Returns an iterator over the training batches of a run."""
    return iter(run.batches(examples, 0, 10**6))


def input_row(batches):
    """Returns the call that takes `BATCHES` batches from an iterator."""
    return lambda: [next(batches) for _ in range(BATCHES)]


def _random(info):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [RANDOM_IMAGES, *info.image_shape], dtype=np.uint8)
    labels = random.integers(0, info.num_classes, RANDOM_IMAGES)
    return Examples(images, labels.astype(np.int32))
