"""A dense layer without its activation."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("robust_tf")
class PreActivation(keras.layers.Layer):
    """x W + b of a dense layer, float [B, units]; the layer keeps its variables and its activation.

    A classifier that ends in a softmax gets its logits this way. The original network and the new
    one share their weights.

    Args:
        layer: `keras.layers.Dense`.
    """

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, inputs):
        # A layer in float16 keeps its weights in float16.
        product = ops.matmul(inputs, ops.cast(self.layer.kernel, inputs.dtype))
        use_bias = self.layer.use_bias
        return product + ops.cast(self.layer.bias, inputs.dtype) if use_bias else product

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)
