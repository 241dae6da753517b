"""A batch of pairs: its order, and the classes and distances that samplers see."""

from typing import NamedTuple

import tensorflow as tf

from robust_tf.distances import euclidean_matrix
from robust_tf.randomness import shape_of


class PairBatch(NamedTuple):
    """The candidates of every anchor; row k is the anchor at the even place 2k of the batch.

    Attributes:
        distance: float [B/2, B], Euclidean; exactly 0 to the anchor itself.
        same: bool [B/2, B], items of the anchor's class, the anchor itself among them.
        anchor: bool [B/2, B], the anchor itself.
        partner: bool [B/2, B], the image at the odd place 2k + 1.
    """

    distance: tf.Tensor
    same: tf.Tensor
    anchor: tf.Tensor
    partner: tf.Tensor

    @property
    def other(self):
        """bool [B/2, B], of another class."""
        return ~self.same

    @classmethod
    def of(cls, embeddings, labels):
        """Makes one of a batch a0, p0, a1, p1, ...; no gradient passes.

        Args:
            embeddings: float [B, d]. Of an odd number the last one is a candidate, but no anchor.
            labels: int [B].
        """
        embeddings = tf.stop_gradient(embeddings)
        size = shape_of(embeddings)[0]
        place, anchors = tf.range(size), slice(0, size // 2 * 2, 2)
        anchor = place[anchors, None] == place
        distance = euclidean_matrix(embeddings[anchors], embeddings)
        distance = tf.where(anchor, tf.zeros_like(distance), distance)
        same = labels[anchors, None] == labels
        return cls(distance, same, anchor, place[1::2, None] == place)


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
