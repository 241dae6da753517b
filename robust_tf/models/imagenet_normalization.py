"""The normalisation of networks that were trained on ImageNet."""

import keras
from keras import ops

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable("robust_tf")
class ImageNetNormalization(keras.layers.Layer):
    """(x - mean) / deviation per colour channel: float [B, h, w, 3] in [0, 1] to the same shape."""

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def call(self, inputs):
        mean = ops.convert_to_tensor(MEAN, inputs.dtype)
        deviation = ops.convert_to_tensor(DEVIATION, inputs.dtype)
        return (inputs - mean) / deviation

    def compute_output_shape(self, input_shape):
        return input_shape
