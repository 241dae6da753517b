"""What an attack makes of a batch; it may be of the user's own or of another library."""

from typing import Any

import tensorflow as tf

from robust_tf.errors import UserError


def perturbed(attack: Any, found: Any, x: tf.Tensor) -> tf.Tensor:
    """Returns what the `perturb` of an attack has found, in shape and dtype of `x`.

    A function of another library may have lost the shape of the images; it comes back here.

    Args:
        attack: an `Attack`, or an object with its `perturb`.
        found: what it returned for `x`.
        x: images [batch, h, w, c].

    Raises:
        UserError: no images like `x`.
        tf.errors.InvalidArgumentError: the same, where only the values show it.
    """
    found = tf.convert_to_tensor(found)
    if found.dtype != x.dtype or not found.shape.is_compatible_with(x.shape):
        raise UserError(
            f"{type(attack).__name__}.perturb returns {found.dtype.name} {found.shape}; it must "
            f"return images like x, {x.dtype.name} {x.shape}"
        )
    found = tf.ensure_shape(found, x.shape)
    # One image would stand for all. Under XLA both numbers are known above.
    tf.debugging.assert_equal(
        tf.shape(found)[0],
        tf.shape(x)[0],
        f"{type(attack).__name__}.perturb returns another number of images",
    )
    return found
