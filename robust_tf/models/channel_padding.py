"""Zero channels around an image, the shortcut of residual units that widen."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("robust_tf")
class ChannelPadding(keras.layers.Layer):
    """`channels` zero channels on either side: [B, h, w, c] to [B, h, w, c + 2 * channels]."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def call(self, inputs):
        return ops.pad(inputs, [[0, 0], [0, 0], [0, 0], [self.channels, self.channels]])

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
