"""Batch normalisation as the networks here use it."""

import functools

import keras
import tensorflow as tf


def batch_norm(name=None, *, epsilon=1e-3, frozen=False):
    """Returns a new layer with decay 0.9.

    The moving variance is the average of biased batch variances, as Keras has it. TensorFlow 1
    stores the unbiased ones, n / (n - 1) times as large: 2 % of a dense layer at 50 images. See
    `unbiased_batch_norm`.

    Under a strategy with several replicas the statistics describe the global batch, so that
    the number of replicas does not change the result. Build networks inside `strategy.scope()`.

    Args:
        name: Name of the layer; Keras chooses one by default.
        epsilon: Added to the variance; 0.001 as in the TLA authors' code.
        frozen: Whether training uses the stored averages, see `FrozenBatchNorm`.
    """
    settings = {"momentum": 0.9, "epsilon": epsilon, "name": name}
    if frozen:
        return FrozenBatchNorm(**settings)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return keras.layers.BatchNormalization(synchronized=replicas > 1, **settings)


# With the epsilon of PyTorch.
torch_batch_norm = functools.partial(batch_norm, epsilon=1e-5)


@keras.saving.register_keras_serializable("robust_tf")
class FrozenBatchNorm(keras.layers.BatchNormalization):
    """Uses the stored averages in training too; scale and offset are trained all the same.

    Metric learning fine-tunes ImageNet networks so. `trainable = False` of Keras would freeze
    scale and offset as well.
    """

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=False, mask=mask)
