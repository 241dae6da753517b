"""One forward and one backward pass, safe in every precision, that also gives the logits."""

from collections.abc import Callable

import tensorflow as tf


def logit_gradient(
    logits_fn: Callable[[tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    values_of: Callable[[tf.Tensor], tf.Tensor],
    coupled: bool = False,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Differentiates a value per image with respect to the images.

    The cross entropy of a confident network has a gradient that float16 rounds to zero inside the
    network. So each image's gradient passes the network in a scale of its own. The scale is a power
    of two: in float32 it changes no bit of the result.

    Args:
        logits_fn: images [batch, ...] to logits [batch, classes], or embeddings [batch, width].
        x: float [batch, ...].
        values_of: logits to float [batch]; embeddings also to a value per triplet.
        coupled: whether the logits of an image depend on the other images (batch norm in training
            mode). The gradient of an image then has a part of every value, and all share one scale.

    Returns:
        logits, values in the dtype of x, and the gradient of the sum of the values, shaped like x.
    """
    with tf.GradientTape(watch_accessed_variables=False) as network:
        network.watch(x)
        logits = logits_fn(x)
    with tf.GradientTape(watch_accessed_variables=False) as loss:
        loss.watch(logits)
        values = tf.cast(values_of(logits), x.dtype)
        # The sum, not the mean: the step of an image must not depend on the size of the batch.
        total = tf.reduce_sum(values)
    slope = loss.gradient(total, logits, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    largest = tf.reduce_max(tf.abs(slope), axis=1)
    if coupled:
        largest = tf.fill(tf.shape(largest), tf.reduce_max(largest))
    scale = _power_of_two(largest)
    gradient = network.gradient(
        logits,
        x,
        output_gradients=slope / tf.cast(scale, slope.dtype)[:, None],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    gradient *= tf.reshape(tf.cast(scale, x.dtype), [-1] + [1] * (x.shape.rank - 1))
    # The backward pass of a SavedModel has forgotten the shape.
    return logits, values, tf.ensure_shape(gradient, x.shape)


def _power_of_two(sizes):
    """Returns float32 [batch]: the largest power of two <= `sizes`, 1 for zero; exactly."""
    exponents = tf.bitwise.bitwise_and(
        tf.bitcast(tf.cast(sizes, tf.float32), tf.int32), tf.constant(0x7F800000, tf.int32)
    )
    powers = tf.bitcast(exponents, tf.float32)
    return tf.where((powers > 0) & tf.math.is_finite(powers), powers, 1.0)
