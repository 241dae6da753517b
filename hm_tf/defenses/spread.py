"""How far embeddings lie apart."""

import tensorflow as tf

from robust_tf.distances import euclidean_matrix


def spread(embeddings, groups=1):
    """The mean distance of each embedding to the others of its group, float [m].

    Args:
        embeddings: float [m, d]; vectors of any length, whose directions count.
        groups: into how many equal parts in a row the m are divided.
    """
    rows = []
    for part in tf.split(tf.math.l2_normalize(embeddings, axis=1), groups):
        # The last batch of a plain `fit`, and a small shard, may hold a single pair.
        others = tf.cast(tf.maximum(tf.shape(part)[0] - 1, 1), part.dtype)
        rows.append(tf.reduce_sum(euclidean_matrix(part, part), axis=1) / others)
    return tf.concat(rows, axis=0)
