"""The input of a network, and full precision at its two ends, whatever the policy between."""

import keras

from robust_tf.errors import UserError


def full_precision():
    """Returns the dtype of the variables: float32 under the mixed policies."""
    return keras.config.dtype_policy().variable_dtype


def normalized_input(info, normalization=None, **settings):
    """Returns the input "image" [B, h, w, c] in [0, 1] and what the first convolution reads.

    Args:
        info: DatasetInfo; `image_shape` is read.
        normalization: class of the layer that the images go through first, or None.
        **settings: arguments of the layer.
    """
    dtype = full_precision()
    image = keras.Input(info.image_shape, dtype=dtype, name="image")
    return image, image if normalization is None else normalization(dtype=dtype, **settings)(image)


def require_side(info, side, name):
    """Raises UserError if the images of a data set are too small for the poolings of a network."""
    height, width = info.image_shape[:2]
    if min(height, width) < side:
        raise UserError(
            f"{name} needs images of at least {side}x{side} pixels, {info.name} has "
            f"{height}x{width}; choose another --model"
        )
