"""The multi-similarity loss (Wang et al. 2019)."""

import tensorflow as tf


def multi_similarity(
    similarity, positive, negative, *, alpha=2.0, beta=50.0, base=0.5, selection=0.1
):
    """Weighs the pairs of an anchor by each other: equation (15), on the pairs of its section 3.4.

    log(1 + sum_P exp(-alpha (S - base))) / alpha + log(1 + sum_N exp(beta (S - base))) / beta

    Args:
        similarity: cosines S, float [rows, columns].
        positive, negative: bool [rows, columns], pairs of one class and of two.
        alpha, beta, base: as in the equation, where base is lambda. The defaults are the paper's,
            but for base: it is 1 in the paper and 0.5 in the authors' code, as here.
        selection: epsilon of the selection. A positive counts if it is less similar than the most
            similar negative plus epsilon, a negative likewise.

    Returns:
        float [rows]; 0 for a row without a positive or without a negative.
    """
    infinite = tf.constant(float("inf"), similarity.dtype)
    nearest = tf.reduce_max(tf.where(negative, similarity, -infinite), axis=1, keepdims=True)
    farthest = tf.reduce_min(tf.where(positive, similarity, infinite), axis=1, keepdims=True)
    hard_positive = positive & (similarity < nearest + selection)
    hard_negative = negative & (similarity > farthest - selection)
    return (
        _softplus_sum(-alpha * (similarity - base), hard_positive) / alpha
        + _softplus_sum(beta * (similarity - base), hard_negative) / beta
    )


def _softplus_sum(exponents, mask):
    """log(1 + sum exp) over the admissible columns."""
    # The inner where keeps a large exponent of another column out of the gradient.
    terms = tf.where(mask, tf.exp(tf.where(mask, exponents, 0.0)), 0.0)
    return tf.math.log1p(tf.reduce_sum(terms, axis=1))
