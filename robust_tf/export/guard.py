"""The guard of an endpoint: a request that the network was not trained for ends in one line.

The checks lie in the graph, so they hold wherever the SavedModel is served. Each message names the
wanted input and the received one. An operation costs a microsecond, so there are few of them.
"""

import tensorflow as tf


def guarded_images(images, image_shape):
    """Returns float images of a checked shape and range.

    Args:
        images: float32 tensor of any shape.
        image_shape: (h, w, c).

    Returns:
        float32 [n, h, w, c], n at least 1, finite and in [0, 1]. The gradient passes unchanged.
    """
    images = of_shape(images, image_shape)
    lowest, highest = tf.reduce_min(images), tf.reduce_max(images)
    # NaN equals nothing, so one comparison finds NaN, infinities and values outside the range.
    clipped = tf.raw_ops.ClipByValue(t=images, clip_value_min=0.0, clip_value_max=1.0)
    # The lowest value of an empty batch is infinity.
    inside = tf.reduce_all(images == clipped) & (lowest <= 1)
    text = "image: want at least one image, with values in [0, 1]; got shape"
    check = require(inside, text, tf.shape(images), "with values from", lowest, "to", highest)
    return after(check, images)


def guarded_pixels(images, image_shape):
    """Returns uint8 [n, h, w, c] with n at least 1, of raw pixels of any shape."""
    images = of_shape(images, image_shape)
    text = "image: want at least one image; got shape"
    return after(require(tf.size(images) > 0, text, tf.shape(images)), images)


def of_shape(images, image_shape):
    """Returns images whose shape is checked to be [n, h, w, c]; the error names both shapes."""
    return tf.ensure_shape(of_any_shape(images), [None, *image_shape])


def guarded_strings(encoded):
    """Returns string [n] with n at least 1."""
    encoded = of_any_shape(encoded)
    shape = tf.shape(encoded)
    right = (tf.size(shape) == 1) & (tf.size(encoded) > 0)
    text = "encoded: want string [n] with n at least 1; got shape"
    return tf.ensure_shape(after(require(right, text, shape), encoded), [None])


def of_any_shape(tensor):
    """Returns a tensor whose shape the optimiser does not know.

    A declared shape is only a promise of the caller. The optimiser believes it, and the shape that
    a later operation wants too, and would replace a check of the shape by its result.
    """
    # The name stands in the error of a wrong shape.
    return tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tf.TensorShape(None), name="got")


def require(condition, *message):
    """Returns an operation that fails with `message`, strings and tensors, if not `condition`."""
    return tf.raw_ops.Assert(condition=condition, data=list(message), summarize=8)


def after(check, tensor):
    """Returns `tensor`, which nothing reads before `check` has passed."""
    with tf.control_dependencies([check]):
        return tf.identity(tensor)
