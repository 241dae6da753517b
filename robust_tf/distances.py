"""Distances between embeddings, with gradients that are finite everywhere."""

import tensorflow as tf

# Lengths below these count as zero, with zero gradient: the square root and the division have an
# unbounded one there. 1e-6 is also where a float32 difference of unit vectors is rounding noise.
ZERO_LENGTH = 1e-10
ZERO_DISTANCE = 1e-6
# Added to every coordinate of a difference, as PyTorch's pairwise_distance does.
SHIFT = 1e-6


def angular(u, v):
    """Angular distance 1 - |u.v| / (||u|| ||v||) (TLA, section 3: parallel and opposite give 0).

    Args:
        u, v: float [..., d].

    Returns:
        float [...], in [0, 1]; 1 if a vector is zero.
    """
    return _angle(tf.reduce_sum(_unit(u) * _unit(v), axis=-1))


def cosine(u, v):
    """Cosine distance 1 - u.v / (||u|| ||v||), in [0, 2]: float [..., d] to [...]."""
    return 1.0 - tf.reduce_sum(_unit(u) * _unit(v), axis=-1)


def cosine_matrix(u, v):
    """Cosines of all pairs: float [n, d] and [m, d] to [n, m]; 0 if a vector is zero."""
    return tf.matmul(_unit(u), _unit(v), transpose_b=True)


def angular_matrix(u, v):
    """Angular distances of all pairs: float [n, d] and [m, d] to [n, m], in [0, 1]."""
    return _angle(cosine_matrix(u, v))


def euclidean(u, v):
    """||u - v||_2 over the last axis: float [..., d] to [...]; below 1e-6 it is 0, gradient too."""
    return _root(tf.reduce_sum(tf.square(u - v), axis=-1))


def shifted_euclidean(u, v):
    """||u - v + 1e-6||_2 over the last axis: float [..., d] to [...].

    The constant (HM, authors' code) gives equal vectors a gradient of length 1, along the vector of
    ones. Other distances of unit vectors change by less than 3e-6 for d <= 512.
    """
    return tf.norm(u - v + SHIFT, axis=-1)


def euclidean_matrix(u, v, v_squared=None):
    """||u_i - v_j||_2 of all pairs: float [n, d] and [m, d] to [n, m].

    Computed from the matrix product, so in float32 the distance of two unit vectors is only exact
    to about 5e-4 where it is near 0. `v_squared`: the squared lengths of v, float [m], where they
    are known already.
    """
    u_squared = tf.reduce_sum(tf.square(u), axis=1)[:, None]
    v_squared = tf.reduce_sum(tf.square(v), axis=1) if v_squared is None else v_squared
    return _root(u_squared + v_squared[None, :] - 2.0 * tf.matmul(u, v, transpose_b=True))


def _angle(cosine):
    # Rounding can lift a cosine above 1; the distance must not become negative.
    return 1.0 - tf.minimum(tf.abs(cosine), 1.0)


def _unit(x):
    squared = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    usable = squared > ZERO_LENGTH**2
    # The inner where keeps rsqrt(0) out of the gradient, where 0 * inf would be NaN.
    return tf.where(usable, x * tf.math.rsqrt(tf.where(usable, squared, 1.0)), 0.0)


def _root(squared):
    # Rounding can make the square of a matrix entry negative: it counts as zero too.
    usable = squared > ZERO_DISTANCE**2
    return tf.where(usable, tf.sqrt(tf.where(usable, squared, 1.0)), 0.0)
