"""What a train step needs to know about the other replicas."""

import tensorflow as tf

from robust_tf.randomness import Shard

NAN = float("nan")


def current_shard():
    """Returns which slice of the global batch the running replica holds."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return Shard()
    return Shard(context.replica_id_in_sync_group, context.num_replicas_in_sync)


def mean(values):
    """Returns the mean of float [batch]; its average over the replicas is the mean of all items.

    A plain `fit` may end an epoch with a batch that the replicas share unequally, or of which a
    replica has no image. The mean of no items is 0.
    """
    if values.shape[0]:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(values), mean_items(values, values.dtype))


def mean_items(values, dtype=tf.float32):
    """Returns how many items of [batch, ...] a replica has on average, a scalar of `dtype`."""
    count, items = current_shard().count, tf.cast(tf.shape(values)[0], dtype)
    if values.shape[0] or count == 1:
        return items
    return tf.distribute.get_replica_context().all_reduce("SUM", items) / count


def first_row(rows):
    """Returns the place of this replica's first row in what `gather` makes of [rows, ...]."""
    shard = current_shard()
    if isinstance(rows, int) or shard.count == 1:
        return shard.index * rows
    every = tf.distribute.get_replica_context().all_gather(rows[None], axis=0)
    return tf.reduce_sum(every[: shard.index])


def gather(tensor):
    """Concatenates the replicas' tensors along axis 0, in the order of the global batch.

    Differentiable: the gradient of every replica's loss comes back to the rows of each.
    """
    count = current_shard().count
    if count == 1:
        return tensor
    gathered = tf.distribute.get_replica_context().all_gather(tensor, axis=0)
    rows = tensor.shape[0]
    gathered.set_shape([rows and count * rows, *tensor.shape[1:]])
    return _dense_gradient(gathered)


@tf.custom_gradient
def _dense_gradient(tensor):
    """The identity. `tf.gather` has a sparse gradient, which `all_gather` cannot take back."""
    return tf.identity(tensor), tf.convert_to_tensor


def spread_overflow(gradients):
    """Returns the gradients; all are NaN if one is not finite on any replica.

    Keras's `LossScaleOptimizer` leaves out an update that overflows, but looks at the gradients of
    one replica, before all are summed (keras/src/optimizers/loss_scale_optimizer.py, 3.15). The
    overflow of another replica would reach the weights of all.

    Args:
        gradients: list of float tensors, or None, of this replica.
    """
    if current_shard().count == 1:
        return gradients
    finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients if g is not None]
    broken = 1.0 - tf.cast(tf.reduce_all(finite), tf.float32)
    broken = tf.distribute.get_replica_context().all_reduce("SUM", broken) > 0.0
    return [g if g is None else tf.where(broken, tf.cast(NAN, g.dtype), g) for g in gradients]
