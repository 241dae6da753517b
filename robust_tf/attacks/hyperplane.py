"""The shortest way to a hyperplane inside the box of valid pixels, the core of FAB."""

import tensorflow as tf


def step_to_hyperplane(x, normal, excess, threat_model):
    """Returns the smallest d in the norm with normal . d = -excess and x + d in the box.

    With r the room of a pixel in the direction that lowers |excess|, the solution moves each pixel
    by min(t, r) (L-inf) or min(t * |normal|, r) (L2) in that direction, for one level t an image.
    Where the box does not reach the hyperplane, d goes to the corner nearest to it.

    Args:
        x: float [batch, ...] in the box.
        normal: like x, the normals of the hyperplanes.
        excess: float [batch], normal . x minus the offset of the hyperplane.
        threat_model: a ThreatModel, for norm and box.

    Returns:
        d, like x.
    """
    rows = tf.reshape(normal, [tf.shape(x)[0], -1])
    # By the largest entry: squares of tiny gradients would underflow to zero.
    largest = tf.reduce_max(tf.abs(rows), axis=1, keepdims=True)
    rows = tf.math.divide_no_nan(rows, largest)
    total = tf.math.divide_no_nan(tf.abs(excess)[:, None], largest)
    points = tf.reshape(x, tf.shape(rows))
    direction = -tf.sign(rows) * tf.sign(excess)[:, None]
    room = tf.where(direction > 0, threat_model.upper - points, points - threat_model.lower)
    size = tf.abs(rows)
    if threat_model.norm == "linf":
        move = tf.minimum(_level(size, room, total), room)
    else:
        bounds = tf.math.divide_no_nan(room, size)
        move = tf.minimum(_level(tf.square(size), bounds, total), bounds) * size
    return tf.reshape(direction * move, tf.shape(x))


def _level(weights, bounds, total):
    """Solves sum_i weights_i * min(t, bounds_i) = total for t >= 0, row by row.

    The left side is concave in t, so Newton's method from 0 rises to the solution, and ends: each
    step but the last passes a bound. Where total is out of reach, t is at least the largest bound.

    Args:
        weights, bounds: float [rows, n], >= 0.
        total: float [rows, 1], >= 0.

    Returns:
        float [rows, 1].
    """

    zero = tf.zeros_like(weights)

    def newton(level, _):
        free = bounds > level
        slope = tf.reduce_sum(tf.where(free, weights, zero), axis=1, keepdims=True)
        used = tf.reduce_sum(tf.where(free, zero, weights * bounds), axis=1, keepdims=True)
        higher = tf.where(slope > 0, tf.math.divide_no_nan(total - used, slope), level)
        higher = tf.maximum(higher, level)
        return higher, tf.reduce_any(higher > level)

    level, _ = tf.while_loop(
        lambda level, rising: rising,
        newton,
        (tf.zeros_like(total), tf.constant(True)),
        parallel_iterations=1,
    )
    return level
