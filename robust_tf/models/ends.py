"""What the ends of every network share: full precision, whatever the policy between them."""

import keras


def full_precision():
    """Returns the dtype of the variables: float32 under the mixed policies."""
    return keras.config.dtype_policy().variable_dtype


def normalized_input(info, normalization):
    """Returns the input "image" [B, h, w, c] in [0, 1] and what the first convolution reads.

    Args:
        info: DatasetInfo; `image_shape` is read.
        normalization: layer that the images go through first, or None.
    """
    image = keras.Input(info.image_shape, dtype=full_precision(), name="image")
    return image, image if normalization is None else normalization(image)
