"""Choice between two batches, image by image."""

import tensorflow as tf


def select_images(chosen: tf.Tensor, x: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """Returns x where `chosen`, bool [batch] or scalar, is true, else `otherwise`, like x."""
    if chosen.shape.rank:
        chosen = tf.reshape(chosen, [-1] + [1] * (otherwise.shape.rank - 1))
    return tf.ensure_shape(tf.where(chosen, x, otherwise), otherwise.shape)
