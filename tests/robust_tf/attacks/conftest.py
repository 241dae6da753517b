import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def classifier():
    """Makes a random two-layer network on 4x4x1 images.

    classifier(dtype, seed, classes) returns (logits_fn, 8 images, its predictions as labels).
    """

    def make(dtype="float32", seed=0, classes=3):
        rng = np.random.default_rng(seed)
        sizes = ((16, 12), (12, classes))
        first, second = (tf.constant(rng.normal(size=size), dtype) for size in sizes)

        def logits_fn(x):
            return tf.matmul(tf.tanh(tf.matmul(tf.reshape(x, [-1, 16]), first)), second)

        x = tf.constant(rng.random((8, 4, 4, 1)), dtype)
        return logits_fn, x, tf.argmax(logits_fn(x), axis=1)

    return make
