"""Softmax cross entropy with label smoothing."""

import tensorflow as tf


def cross_entropy(logits, labels, label_smoothing=0.0):
    """Cross entropy against (1 - s) * onehot + s / classes.

    Args:
        logits: float [batch, classes].
        labels: int [batch], or float [batch, classes], the shares of the classes.
        label_smoothing: s in [0, 1).

    Returns:
        float [batch].
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        shares = tf.cast(labels, logits.dtype)
        plain = tf.nn.softmax_cross_entropy_with_logits(labels=shares, logits=logits)
    else:
        plain = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    if not label_smoothing:
        return plain
    uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
    return (1.0 - label_smoothing) * plain + label_smoothing * uniform
