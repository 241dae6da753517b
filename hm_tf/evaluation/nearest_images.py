"""Exact search for the nearest images of a gallery, as an endpoint serves it."""

import tensorflow as tf


class NearestImages(tf.Module):
    """The gallery of a `search` endpoint.

    Args:
        embeddings: float32 [N, d], unit vectors.
        names: list of N str, the files.
        count: int, how many images a query gets.
    """

    def __init__(self, embeddings, names, count):
        super().__init__()
        # A variable: a SavedModel would copy a constant into its graph, which is limited to 2 GB.
        self._embeddings = tf.Variable(embeddings, trainable=False)
        self._names = tf.constant(names)
        self._count = count

    def __call__(self, queries):
        """Returns the nearest images of each query, nearest first.

        The product of unit vectors orders the gallery. The returned distances are computed from
        differences of vectors, which keep the digits of small distances.

        Args:
            queries: float32 [n, d], unit vectors.

        Returns:
            dict of ids (int32 [n, K], rows of the gallery), distances (float32 [n, K]) and names
            (string [n, K]).
        """
        similarities = tf.matmul(queries, self._embeddings, transpose_b=True)
        _, rows = tf.math.top_k(similarities, self._count)
        found = tf.gather(self._embeddings, rows)
        distances = tf.norm(found - queries[:, None], axis=2)
        order = tf.argsort(distances, axis=1, stable=True)
        rows = tf.gather(rows, order, batch_dims=1)
        return {
            "ids": rows,
            "distances": tf.gather(distances, order, batch_dims=1),
            "names": tf.gather(self._names, rows),
        }
