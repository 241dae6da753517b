"""The normalisation of colour channels that networks were trained with."""

import keras
from keras import ops

# Of ImageNet.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable("robust_tf")
class ImageNetNormalization(keras.layers.Layer):
    """(x - mean) / deviation per channel: float [B, h, w, 3] in [0, 1] to the same shape."""

    def call(self, inputs):
        mean = ops.convert_to_tensor(MEAN, inputs.dtype)
        deviation = ops.convert_to_tensor(DEVIATION, inputs.dtype)
        return (inputs - mean) / deviation


@keras.saving.register_keras_serializable("robust_tf")
class ChannelNormalization(keras.layers.Layer):
    """(x - mean) / deviation per channel, for any number of channels.

    Mean and deviation come with the weights. No training changes them; they start as 0 and 1.
    """

    def build(self, input_shape):
        facts = {"shape": (input_shape[-1],), "trainable": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **facts)
        self.deviation = self.add_weight(name="deviation", initializer="ones", **facts)

    def call(self, inputs):
        return (inputs - self.mean) / self.deviation
