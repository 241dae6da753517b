"""What a train step needs to know about the other replicas."""

import tensorflow as tf

from robust_tf.randomness import Shard


def current_shard():
    """Returns which slice of the global batch the running replica holds."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return Shard()
    return Shard(context.replica_id_in_sync_group, context.num_replicas_in_sync)


def gather(tensor):
    """Concatenates the replicas' tensors along axis 0, in the order of the global batch.

    Differentiable: the gradient of every replica's loss comes back to the rows of each.
    """
    count = current_shard().count
    if count == 1:
        return tensor
    gathered = tf.distribute.get_replica_context().all_gather(tensor, axis=0)
    if tensor.shape[0] is not None:
        gathered.set_shape([count * tensor.shape[0], *tensor.shape[1:]])
    return _dense_gradient(gathered)


@tf.custom_gradient
def _dense_gradient(tensor):
    """The identity. `tf.gather` has a sparse gradient, which `all_gather` cannot take back."""
    return tf.identity(tensor), tf.convert_to_tensor
