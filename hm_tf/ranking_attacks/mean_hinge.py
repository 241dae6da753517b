"""The mean of hinged differences of distances over a whole gallery, without storing them."""

import tensorflow as tf


def mean_hinge(gallery, queries, limit, left_out, sign):
    """(1/n) sum_j [sign * (limit - d(query, x_j))]_+ over the items j that count; n is all items.

    `queries` and `limit` get a gradient. It is gathered in the same walk through the gallery as the
    value, so that no [b, n] outlives its block.

    Args:
        gallery: `Gallery`.
        queries: float [b, d].
        limit: float [b].
        left_out: int32 [b, k], items that do not count.
        sign: 1.0 or -1.0.

    Returns:
        float [b].
    """
    total, active, weight, pull = _sums(gallery, queries, limit, left_out, sign)
    # The gradient of d(q, x_j) is (q - x_j) / d; `weight` sums 1 / d and `pull` x_j / d.
    outward = (queries - gallery.mean) * weight[:, None] - pull
    # TensorFlow keeps every `tf.custom_gradient` of a graph, with its graph and gallery, for good.
    along_queries = tf.reduce_sum(tf.stop_gradient(outward) * _moved(queries), axis=1)
    slope = sign * (active * _moved(limit) - along_queries)
    return (total + slope) / gallery.size


def _moved(values):
    """Zeros with the gradient of `values`."""
    return values - tf.stop_gradient(values)


def _sums(gallery, queries, limit, left_out, sign):
    """Over the j with a positive hinge: the sums of hinge, 1, 1 / d and x_j / d."""

    def step(state, block):
        total, active, weight, pull = state
        hinge = sign * (limit[:, None] - block.distances)
        positive = tf.cast(block.counts & (hinge > 0), hinge.dtype)
        weights = tf.math.divide_no_nan(positive, block.distances)
        return (
            total + tf.reduce_sum(positive * hinge, axis=1),
            active + tf.reduce_sum(positive, axis=1),
            weight + tf.reduce_sum(weights, axis=1),
            pull + tf.matmul(weights, block.vectors),
        )

    zeros = tf.zeros_like(limit)
    return gallery.fold(queries, left_out, step, (zeros, zeros, zeros, tf.zeros_like(queries)))
