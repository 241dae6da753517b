"""Per-image standardisation, the first layer of the CIFAR-10 and Tiny ImageNet networks."""

import keras
from keras import ops

BYTE_SCALE = 255.0


def per_image_standardization(image):
    """Returns (x - mean(x)) / max(std(x), 1 / sqrt(n)) of the pixels x on the scale [0, 255].

    Mean and population std run over the n = h * w * c values. The scale matters through the floor
    1 / sqrt(n) alone, which the original (TLA, authors' code) applies to pixels in [0, 255].

    Args:
        image: float [B, h, w, c] in [0, 1].

    Returns:
        float [B, h, w, c].
    """
    pixels = image * BYTE_SCALE
    size = pixels.shape[1] * pixels.shape[2] * pixels.shape[3]
    centred = pixels - ops.mean(pixels, axis=(1, 2, 3), keepdims=True)
    variance = ops.mean(ops.square(centred), axis=(1, 2, 3), keepdims=True)
    # The maximum is taken before the root: the root of 0 would give constant images a NaN gradient.
    return centred / ops.sqrt(ops.maximum(variance, 1.0 / size))


@keras.saving.register_keras_serializable("robust_tf")
class PerImageStandardization(keras.layers.Layer):
    """`per_image_standardization` as a layer."""

    def call(self, inputs):
        return per_image_standardization(inputs)
