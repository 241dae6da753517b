"""A train step as `fit` runs it."""

import tensorflow as tf

from robust_tf.training.strategy import use_xla


def train_step(model, optimizer, options):
    """Returns the function from a batch to the loss of one update of `model`, AdversarialModel."""
    model.compile(optimizer=optimizer)
    step = tf.function(model.train_step, jit_compile=use_xla(options.jit_compile), autograph=False)
    return lambda batch: float(step(batch)["loss"])
