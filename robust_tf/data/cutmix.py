"""CutMix (Yun et al. 2019) through the layer of Keras; its draws are functions of a random key."""

import keras
import tensorflow as tf


class KeyedSeeds(keras.random.SeedGenerator):
    """Seeds of one batch: what asks for the n-th one gets fold n of the key.

    Args:
        key: int32 [2], see `robust_tf.randomness.key`.
    """

    def __init__(self, key):  # without the variable of the original, which counts calls
        self.key, self.drawn = key, 0

    def next(self, ordered=True):
        self.drawn += 1
        return tf.random.experimental.stateless_fold_in(self.key, self.drawn)


class CutMix:
    """Pastes a rectangle of another image of the batch into each image.

    Args:
        factor: in (0, 1], see `keras.layers.CutMix`.
        classes: int, number of classes.
    """

    def __init__(self, factor, classes):
        self.layer = keras.layers.CutMix(factor, dtype="float32")
        self.classes = classes

    def __call__(self, images, labels, key):
        """Returns mixed images, and the shares of the classes, float32 [n, classes].

        Args:
            images: float [n, h, w, c].
            labels: int [n].
            key: int32 [2]. The same key gives the same images.
        """
        drawn = self.layer.get_random_transformation(images, seed=KeyedSeeds(key))
        shares = self.layer.transform_labels(tf.one_hot(labels, self.classes), drawn)
        mixed = tf.cast(self.layer.transform_images(images, drawn), images.dtype)
        return tf.ensure_shape(mixed, images.shape), tf.ensure_shape(shares, [None, self.classes])
