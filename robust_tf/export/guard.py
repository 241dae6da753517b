"""The guard of an endpoint: a request that the network was not trained for ends in one line.

The assertions lie in the graph, so they hold wherever the SavedModel is served. Each message names
the wanted input and the received one.
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
    images = guarded_shape(images, image_shape)
    # NaN equals nothing, so one comparison finds NaN, infinities and values outside the range.
    inside = tf.reduce_all(images == tf.clip_by_value(images, 0.0, 1.0))

    def refuse():
        finite = tf.boolean_mask(images, tf.math.is_finite(images))
        return require(
            False,
            "image: want values in [0, 1]; got finite values from",
            tf.reduce_min(finite),
            "to",
            tf.reduce_max(finite),
            "and values that are not finite:",
            tf.size(images) - tf.size(finite),
        )

    return after(tf.cond(inside, tf.no_op, refuse), images)


def guarded_shape(images, image_shape):
    """Returns images of a checked shape, [n, h, w, c] with n at least 1, of any dtype."""
    images = of_any_shape(images)
    shape = tf.shape(images)
    # Shapes that cannot be compared are unequal. What broadcasts here ends at `ensure_shape`.
    right = tf.reduce_all(shape[1:] == tf.constant(image_shape)) & (tf.size(images) > 0)
    wanted = ", ".join(map(str, image_shape))
    text = f"image: want {images.dtype.name} [n, {wanted}] with n at least 1; got shape"
    return tf.ensure_shape(after(require(right, text, shape), images), [None, *image_shape])


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
    return tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tf.TensorShape(None))


def require(condition, *message):
    """Returns an operation that fails with `message`, strings and tensors, if not `condition`."""
    return tf.raw_ops.Assert(condition=condition, data=list(message), summarize=8)


def after(check, tensor):
    """Returns `tensor`, which nothing reads before `check` has passed."""
    with tf.control_dependencies([check]):
        return tf.identity(tensor)
