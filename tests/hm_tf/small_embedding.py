"""A random embedding network on 4x4 images, and images of a few classes; for fast tests."""

import keras
import numpy as np
from keras import layers

from robust_tf.data.examples import Examples
from robust_tf.models.unit_length import UnitLength


def small_images(n=24, classes=4, seed=0):
    """Images that look like their class, uint8 [n, 4, 4, 1]."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % classes).astype(np.int32)
    images = 0.7 * rng.random([classes, 4, 4, 1])[labels] + 0.3 * rng.random([n, 4, 4, 1])
    return Examples(np.round(255 * images).astype(np.uint8), labels)


def small_network(before=(), seed=0, dimension=5):
    """Flatten, the layers `before`, dense, unit length; weights from `seed`."""
    keras.utils.set_random_seed(seed)
    image = keras.Input([4, 4, 1])
    features = layers.Flatten()(image)
    for layer in before:
        features = layer(features)
    vector = layers.Dense(dimension, bias_initializer="normal")(layers.Dense(12, "tanh")(features))
    return keras.Model(image, {"embedding": UnitLength()(vector)}, name="small")
