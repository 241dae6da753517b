"""Shuffled epochs without state: the image at each position of an endless stream."""

import tensorflow as tf

from robust_tf.randomness import key


def permute(index, count, *, seed, purpose, epoch, group):
    """Returns the place of `index` in a random permutation of 0..count-1.

    Args:
        index: int64 [n], each in 0..count-1.
        count: int64 [n], the sizes of the permutations.
        seed: int, the seed of the run.
        purpose: str, the name of the stream. Streams have independent permutations.
        epoch: int64 [n].
        group: int64 [n]. Seed, purpose, epoch and group choose the permutation.
    """
    stream = tf.fill(tf.shape(index), tf.cast(key(seed, 0, purpose)[0], tf.int64))
    # tf.random.experimental.index_shuffle would pad a batch of keys along the wrong axis (TF 2.21).
    return tf.raw_ops.RandomIndexShuffle(
        index=index,
        seed=tf.stack([stream, epoch, group], axis=1),
        max_index=count - 1,
        rounds=4,  # as in index_shuffle
    )


def stream_index(position, count, *, seed, purpose):
    """Returns the image at each `position` of a stream of shuffled epochs.

    Epoch e covers the positions e * count .. (e + 1) * count - 1 and holds every image once. The
    next epoch fills a batch across the border, so all batches have one size.

    Args:
        position: int64 [n].
        count: int, the number of images.
        seed: int, the seed of the run.
        purpose: str, the name of the stream.
    """
    return permute(
        position % count,
        tf.fill(tf.shape(position), tf.constant(count, tf.int64)),
        seed=seed,
        purpose=purpose,
        epoch=position // count,
        group=tf.zeros_like(position),
    )
