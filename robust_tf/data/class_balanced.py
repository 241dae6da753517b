"""Positives: for every anchor an image of its class (TLA, section 3)."""

import numpy as np
import tensorflow as tf

from robust_tf.data.epoch_order import permute


class SameClass:
    """Pairs the images of a training set within their classes, anew in every epoch.

    The pairing of an epoch is one random bijection per class: every image is the positive of
    exactly one anchor. An image may be its own positive, as in the authors' code.

    Args:
        labels: int [n], the classes of all images.
    """

    def __init__(self, labels):
        labels = np.asarray(labels, np.int64)
        members = np.argsort(labels, kind="stable")
        counts = np.bincount(labels)
        starts = np.cumsum(counts) - counts
        ranks = np.empty_like(members)
        ranks[members] = np.arange(len(labels)) - starts[labels[members]]
        self._labels, self._members, self._counts, self._starts, self._ranks = map(
            tf.constant, (labels, members, counts, starts, ranks)
        )

    def positive_index(self, anchor, epoch, *, seed):
        """Returns the positive of each anchor.

        Args:
            anchor: int64 [n], indices of images.
            epoch: int64 [n], the epoch of each anchor.
            seed: int, the seed of the run.
        """
        label = tf.gather(self._labels, anchor)
        place = permute(
            tf.gather(self._ranks, anchor),
            tf.gather(self._counts, label),
            seed=seed,
            purpose="positive",
            epoch=epoch,
            group=label,
        )
        return tf.gather(self._members, tf.gather(self._starts, label) + place)

    def partner_index(self, anchor, noise):
        """Returns a random image of each anchor's class, possibly the anchor: int64 [n].

        Args:
            anchor: int64 [n], indices of images.
            noise: float64 [n], uniform in [0, 1). Every image of the class is equally likely.
        """
        label = tf.gather(self._labels, anchor)
        count = tf.cast(tf.gather(self._counts, label), noise.dtype)
        place = tf.cast(tf.floor(noise * count), tf.int64)
        return tf.gather(self._members, tf.gather(self._starts, label) + place)
