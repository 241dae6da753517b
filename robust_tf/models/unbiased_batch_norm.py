"""Batch normalisation that stores the unbiased variance, as TensorFlow 1 and PyTorch do."""

import keras
import tensorflow as tf
from keras import ops

from robust_tf.errors import UserError


@keras.saving.register_keras_serializable("robust_tf")
class UnbiasedBatchNorm(keras.layers.BatchNormalization):
    """Averages n / (n - 1) times the variance of a batch with n values per channel.

    The batch itself is normalised by the biased variance, as in every implementation.
    """

    def call(self, inputs, training=None, mask=None):
        # A read of its own: Keras hands out the variable itself, which the call changes.
        before = tf.identity(ops.convert_to_tensor(self.moving_variance))
        outputs = super().call(inputs, training=training, mask=mask)
        if training and self.trainable:
            fresh = self.moving_variance - self.momentum * before
            self.moving_variance.assign_add(fresh / ops.maximum(self._count(inputs) - 1.0, 1.0))
        return outputs

    def _count(self, inputs):
        """The values per channel, over all replicas that share their statistics."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        shared = replicas if self.synchronized else 1
        count = ops.size(inputs) // inputs.shape[self.axis] * shared
        return ops.cast(count, self.moving_variance.dtype)


def with_unbiased_variance(network):
    """Returns a copy of a network with `UnbiasedBatchNorm` in place of its batch norms.

    Args:
        network: functional keras.Model. Its weights are copied.

    Raises:
        UserError: the network has no batch norm.
    """
    if not any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers):
        raise UserError(f"--bn_variance=unbiased: {network.name} has no batch norm; leave it out")

    def replaced(layer):
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        kind = UnbiasedBatchNorm if normalizes else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=replaced)
    copy.set_weights(network.get_weights())
    return copy
