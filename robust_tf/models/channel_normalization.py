"""The normalisation of networks whose weights bring their own mean and deviation."""

import keras


@keras.saving.register_keras_serializable("robust_tf")
class ChannelNormalization(keras.layers.Layer):
    """(x - mean) / deviation per channel: float [B, h, w, c] in [0, 1] to the same shape.

    Mean and deviation are weights that no training changes; they start as 0 and 1.
    """

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def build(self, input_shape):
        facts = {"shape": (input_shape[-1],), "trainable": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **facts)
        self.deviation = self.add_weight(name="deviation", initializer="ones", **facts)

    def call(self, inputs):
        return (inputs - self.mean) / self.deviation

    def compute_output_shape(self, input_shape):
        return input_shape
