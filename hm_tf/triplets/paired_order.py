"""The order that makes pairs of a batch whose images come in any order."""

import tensorflow as tf


def paired_order(labels):
    """Returns the order of a batch in which it begins with pairs of one class: a0, p0, a1, p1, ...

    The images of a class pair up in the order they come. The last image of a class with an odd
    number of images has no partner and goes to the end of the batch.

    Args:
        labels: int32 [B].

    Returns:
        int32 [B], places in the batch.
    """
    by_class = tf.argsort(labels, stable=True)
    ordered = tf.gather(labels, by_class)
    first, end = (tf.searchsorted(ordered, ordered, side=side) for side in ("left", "right"))
    last = tf.range(tf.size(labels)) == end - 1
    alone = last & ((end - first) % 2 == 1)
    return tf.gather(by_class, tf.argsort(tf.cast(alone, tf.int32), stable=True))
