"""Batch normalisation with frozen statistics, as metric learning fine-tunes ImageNet networks."""

import keras


@keras.saving.register_keras_serializable("robust_tf")
class FrozenBatchNorm(keras.layers.BatchNormalization):
    """Uses the stored averages in training too; scale and offset are trained all the same.

    `trainable = False` of Keras would freeze these as well.
    """

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=False, mask=mask)
