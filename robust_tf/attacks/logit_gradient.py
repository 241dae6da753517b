"""One forward and one backward pass that also gives the logits."""

import tensorflow as tf


def logit_gradient(logits_fn, x, values_of):
    """Differentiates a value per image with respect to the images.

    Args:
        logits_fn: images [batch, ...] to logits [batch, classes].
        x: float [batch, ...].
        values_of: logits to float [batch].

    Returns:
        logits, values in the dtype of x, and the gradient of each value, shaped like x.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        logits = logits_fn(x)
        values = tf.cast(values_of(logits), x.dtype)
        total = tf.reduce_sum(values)
    gradient = tape.gradient(total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    # The backward pass of a SavedModel has forgotten the shape.
    return logits, values, tf.ensure_shape(gradient, x.shape)
