"""Random crops and horizontal flips, as in the authors' code of TLA and HM."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Augment:
    """Pads with zeros, crops back at a random place and flips left to right.

    Attributes:
        pad: Pixels of zeros on each side. The offsets of the crop are uniform in 0..2 * pad,
            independent per image and axis.
        flip: Whether each image is flipped with probability 1/2.
    """

    pad: int = 0
    flip: bool = False

    def __call__(self, images, key):
        """Returns augmented copies of `images`.

        Args:
            images: [n, h, w, c] of static shape, any dtype.
            key: int32 [2], see `robust_tf.randomness.key`. The same key gives the same copies.
        """
        return crop_and_flip(images, self.pad, *_draw(images, 2 * self.pad, self.flip, key))


@dataclasses.dataclass(frozen=True)
class ResizedCrop:
    """Crops photos at a random place and flips half of them (HM, authors' code).

    The photos are squares of `resized` pixels: 256 for a window of 224.

    Attributes:
        size: Side of the window in pixels. Its offsets are uniform in 0..resized - size,
            independent per image and axis.
    """

    size: int

    @property
    def resized(self):
        """Side of the resized photos in pixels."""
        return round(self.size * 256 / 224)

    def __call__(self, images, key):
        """Returns windows of `images` at random places.

        Args:
            images: [n, resized, resized, c] of static shape, any dtype.
            key: Random key, see `Augment`.
        """
        shape = (self.size, self.size)
        return _windows(images, shape, *_draw(images, self.resized - self.size, True, key))

    def centre(self, images):
        """Returns the centre windows for evaluation, [n, size, size, c]."""
        first = (self.resized - self.size) // 2
        return images[:, first : first + self.size, first : first + self.size]


def crop_and_flip(images, pad, offsets, flips):
    """Returns [h, w] windows of the padded images, some of them mirrored left to right.

    Args:
        images: [n, h, w, c].
        pad: Pixels of zeros added on each side.
        offsets: int32 [n, 2], first row and first column of the window, in 0..2 * pad.
        flips: bool [n], the windows to mirror.
    """
    padded = tf.pad(images, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return _windows(padded, images.shape[1:3], offsets, flips)


def _draw(images, last, flip, key):
    """Returns offsets int32 [n, 2] in 0..last and flips bool [n]."""
    count = images.shape[0]
    keys = tf.unstack(tf.random.split(key, 2))
    offsets = tf.random.stateless_uniform([count, 2], keys[0], 0, last + 1, tf.int32)
    flips = tf.random.stateless_uniform([count], keys[1], 0, 2, tf.int32)
    return offsets, tf.cast(flips, tf.bool) if flip else tf.zeros([count], tf.bool)


def _windows(images, shape, offsets, flips):
    height, width = shape
    rows = offsets[:, :1] + tf.range(height)
    columns = tf.where(flips[:, None], tf.range(width)[::-1], tf.range(width)) + offsets[:, 1:]
    return tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)
