"""How far embeddings lie apart."""

import tensorflow as tf

from robust_tf.distances import euclidean_matrix


def spread(embeddings, groups=1):
    """The mean distance of each embedding to the others of its group, float [m].

    Args:
        embeddings: unit vectors, float [m, d].
        groups: into how many equal parts in a row the m are divided, each of at least two.
    """
    rows = []
    for part in tf.split(embeddings, groups):
        others = part.shape[0] - 1
        rows.append(tf.reduce_sum(euclidean_matrix(part, part), axis=1) / others)
    return tf.concat(rows, axis=0)
