"""The clean embeddings of all images, walked through block by block."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import device_count
from robust_tf.distances import euclidean, euclidean_matrix

BLOCK = 8192


class Block(NamedTuple):
    """Some items of the gallery as seen by queries.

    Attributes:
        items: indices in the gallery, int32 [block].
        labels: int64 [block].
        vectors: their embeddings minus `Gallery.mean`, float [block, d].
        distances: float [b, block]. In float32 distances near 0 are only exact to about 5e-4, so
            an item that may be near 0 is left out, and `Gallery.distance` computes it.
        counts: bool [b, block], False for items left out and for the padding.
    """

    items: tf.Tensor
    labels: tf.Tensor
    vectors: tf.Tensor
    distances: tf.Tensor
    counts: tf.Tensor


class Gallery:
    """The database that images are ranked against, resident on every device of the strategy.

    Every device needs all of it: its queries are ranked against all items.

    Embeddings are kept minus their mean. Distances stay the same, and the matrix product gives
    exact ones even for a nearly collapsed network. Memory: one copy of the embeddings (two at the
    start), and in a walk some 10 floats for each query and item of a block.

    Args:
        embeddings: float [n, d], unit vectors; see `gallery_check.check_gallery`.
        labels: int [n].
        block: how many items are taken together at most.
    """

    def __init__(self, embeddings, labels, block=BLOCK):
        embeddings = np.asarray(embeddings)
        self.size, self.dimension = embeddings.shape
        self.blocks = -(-self.size // block)
        # Blocks of one size with the least padding, which is computed like everything else.
        self.block = -(-self.size // self.blocks)
        mean = np.mean(embeddings, axis=0, dtype=np.float64).astype(embeddings.dtype)
        centred = np.zeros([self.blocks * self.block, self.dimension], embeddings.dtype)
        np.subtract(embeddings, mean, out=centred[: self.size])
        # TensorFlow keeps int32 variables off the GPU, where XLA then refuses the attack.
        padded = np.pad(labels, [0, len(centred) - self.size]).astype(np.int64)
        self.mean = _resident(mean)
        self.labels = _resident(padded)
        self._centred = _resident(centred)
        self._squared = _resident(np.einsum("nd,nd->n", centred, centred))

    def vectors(self, items):
        """The embeddings of `items`: int [...] to float [..., d]."""
        return tf.gather(self._centred, items) + self.mean

    def labels_of(self, items):
        """The labels of `items`: int [...] to int64 [...]."""
        return tf.gather(self.labels, items)

    def distance(self, queries, items):
        """d(query, item), exact also near 0: float [b, d] and int [b] to float [b].

        With gradient, which is 0 below a distance of 1e-6.
        """
        return euclidean(queries, self.vectors(items))

    def distances(self, items):
        """The distances of `items` to all others, at once: int [b] to float [b, n]."""
        centred, squared = self._centred[: self.size], self._squared[: self.size]
        return euclidean_matrix(tf.gather(centred, items), centred, squared)

    def fold(self, queries, left_out, step, state):
        """Walks through the gallery: state <- step(state, block) for each block; no gradient.

        Args:
            queries: float [b, d].
            left_out: int32 [b, k], for each query the items that do not count.
            step: (state, `Block`) -> state.
            state: nest of tensors, whose shapes stay as they are.

        Returns:
            The last state.
        """
        centred = tf.stop_gradient(queries) - self.mean

        def body(number, state):
            return number + 1, step(state, self._seen(centred, left_out, number * self.block))

        # One after the other, so that only one block's distances are in memory.
        _, state = tf.while_loop(
            lambda number, _: number < self.blocks,
            body,
            (0, state),
            parallel_iterations=1,
        )
        return tf.nest.map_structure(tf.stop_gradient, state)

    def _seen(self, centred, left_out, start):
        items = start + tf.range(self.block)
        vectors = tf.slice(self._centred, [start, 0], [self.block, self.dimension])
        squared = tf.slice(self._squared, [start], [self.block])
        labels = tf.slice(self.labels, [start], [self.block])
        counts = (items < self.size)[None, :]
        for left in tf.unstack(left_out, axis=1):
            counts &= items[None, :] != left[:, None]
        distances = euclidean_matrix(centred, vectors, squared)
        return Block(items, labels, vectors, distances, tf.broadcast_to(counts, distances.shape))


def _resident(values):
    """A tensor; a variable where there are several devices, since only variables lie on each."""
    if device_count() == 1:
        return tf.constant(values)
    return tf.Variable(values, trainable=False)
