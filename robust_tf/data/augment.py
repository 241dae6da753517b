"""Random crops of the zero-padded image and horizontal flips, as in the TLA authors' code."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Augment:
    """Pads with zeros, crops back at a random place and flips left to right.

    Attributes:
        pad: pixels of zeros on each side; the offsets of the crop are uniform in 0..2 * pad,
            independent per image and axis.
        flip: whether each image is flipped with probability 1/2.
    """

    pad: int = 0
    flip: bool = False

    def __call__(self, images, key):
        """Returns augmented copies of `images`.

        Args:
            images: [n, h, w, c] of static shape, any dtype.
            key: int32 [2], see `robust_tf.randomness.key`; the same key gives the same copies.
        """
        count = images.shape[0]
        keys = tf.unstack(tf.random.split(key, 2))
        offsets = tf.random.stateless_uniform([count, 2], keys[0], 0, 2 * self.pad + 1, tf.int32)
        flips = tf.random.stateless_uniform([count], keys[1], 0, 2, tf.int32)
        flips = tf.cast(flips, tf.bool) if self.flip else tf.zeros([count], tf.bool)
        return crop_and_flip(images, self.pad, offsets, flips)


def crop_and_flip(images, pad, offsets, flips):
    """Cuts [h, w] windows from the padded `images` and mirrors some of them.

    Args:
        images: [n, h, w, c].
        pad: pixels of zeros added on each side.
        offsets: int32 [n, 2], first row and first column of the window, in 0..2 * pad.
        flips: bool [n], which windows to mirror left to right.
    """
    height, width = images.shape[1:3]
    rows = offsets[:, :1] + tf.range(height)
    columns = tf.where(flips[:, None], tf.range(width)[::-1], tf.range(width)) + offsets[:, 1:]
    padded = tf.pad(images, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return tf.gather(tf.gather(padded, rows, batch_dims=1), columns, axis=2, batch_dims=1)
