"""The last layer of every embedding network."""

import keras
from keras import ops

SMALLEST_SQUARE = 1e-24


@keras.saving.register_keras_serializable("robust_tf")
class UnitLength(keras.layers.Layer):
    """x / ||x||_2, float [B, d]; zero stays zero, with gradient zero."""

    def call(self, inputs):
        # The maximum is taken before the root: at 0 the root has an infinite gradient.
        square = ops.sum(ops.square(inputs), axis=-1, keepdims=True)
        return inputs * ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
