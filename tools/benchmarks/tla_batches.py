"""Networks and batches of a recipe of tla_tf."""

import keras

from benchmarks.recipe_flags import defense
from robust_tf.data import pipeline
from robust_tf.models import registry as models

BATCHES = 20  # in a row: more than the pipeline has ready while nobody asks


def network(options, info):
    """Builds the network of the recipe under the Keras policy of --precision."""
    keras.config.set_dtype_policy(options.precision)
    try:
        return models.get(options.model, info)
    finally:
        keras.config.set_dtype_policy("float32")


def batches(options, examples, info):
    """Returns the endless iterator over the training batches of the recipe's method."""
    return iter(
        pipeline.train_dataset(
            examples,
            info,
            batch_size=options.batch_size,
            seed=0,
            stop_step=10**6,
            streams=defense(options).streams,
            pool_mul=options.pool_mul,
        )
    )


def input_row(source):
    """Returns the call that takes `BATCHES` batches from an iterator."""
    return lambda: [next(source) for _ in range(BATCHES)]
