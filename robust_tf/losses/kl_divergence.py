"""The Kullback-Leibler divergence of two predictions."""

import tensorflow as tf


def kl_divergence(logits, other_logits):
    """KL(p || q) = sum_k p_k (log p_k - log q_k), with p = softmax(logits).

    Args:
        logits, other_logits: float [batch, classes], of p and of q.

    Returns:
        float [batch].
    """
    log_p, log_q = tf.nn.log_softmax(logits), tf.nn.log_softmax(other_logits)
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=1)
