"""Distance-weighted sampling (Wu et al. 2017) as HM uses it: without a cut-off."""

import tensorflow as tf

# Distances are kept this far from 0 and 2, where the density of distances on the sphere vanishes.
MARGIN = 1e-4


def log_weights(distance, dimension):
    """Minus the log density of distances between uniform points of the unit sphere, to a constant.

    (2 - d) ln D - (d - 3) / 2 ln(1 - D^2 / 4), infinite at D = 0 and D = 2 if d > 3.

    Args:
        distance: float [...], in [0, 2].
        dimension: width d of the embeddings.

    Returns:
        float [...].
    """
    return (2.0 - dimension) * tf.math.log(distance) - 0.5 * (dimension - 3.0) * tf.math.log(
        1.0 - distance**2 / 4.0
    )


def negative_probabilities(distance, other, dimension):
    """The probability of each candidate, proportional to exp(log_weights); float [rows, columns].

    Args:
        distance: float [rows, columns].
        other: bool [rows, columns], the admissible candidates. A row without one gets zeros.
        dimension: width of the embeddings.
    """
    logits = log_weights(tf.clip_by_value(distance, MARGIN, 2.0 - MARGIN), dimension)
    lowest = tf.constant(-float("inf"), logits.dtype)
    # The softmax of a row without a candidate is NaN.
    return tf.where(other, tf.nn.softmax(tf.where(other, logits, lowest), axis=1), 0.0)


def authors_probabilities(distance, other, dimension):
    """`negative_probabilities` with the fallback of the authors' code.

    Two kinds of rows give every entry the same probability, candidates of the anchor's class too:
    rows without an admissible candidate, and rows with weights that are not finite (a duplicate of
    the anchor).
    """
    logits = tf.where(other, log_weights(distance, dimension), 0.0)
    # The maximum of the authors includes the zeros of the own class.
    weights = tf.exp(logits - tf.reduce_max(logits, axis=1, keepdims=True))
    weights = tf.where(other & ~tf.math.is_nan(weights), weights, 0.0)
    total = tf.reduce_sum(weights, axis=1, keepdims=True)
    weights = tf.where(total > 0.0, weights, 1.0)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
