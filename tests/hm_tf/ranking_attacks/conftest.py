"""The twelve-item example of the retrieval metrics, on the unit circle."""

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.ranking_attacks.gallery import Gallery

ANGLES = (0, 10, 40, 77, 17, 49, 57, 89, 22, 79, 106, 131)
LABELS = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2)


def on_circle(degrees):
    """float64 [n, 2]."""
    radians = np.deg2rad(np.asarray(degrees, np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=-1)


def twelve(block=5):
    return Gallery(on_circle(ANGLES), np.array(LABELS), block=block)


def example_of(attack, chosen, degrees):
    """(J, measures) as numbers, for item 5 (49 degrees) moved to `degrees`."""
    gallery, rows = twelve(), tf.constant([5])
    moved = tf.constant(on_circle([degrees]))
    chosen = tuple(tf.constant([index]) for index in chosen)
    cost = attack.cost(gallery, rows, chosen)(moved)
    measured = attack.measure(moved, gallery, rows, chosen)
    return float(cost[0]), *(float(value[0]) for value in measured)


@pytest.fixture
def example():
    return example_of


@pytest.fixture
def e12():
    return twelve()


@pytest.fixture(scope="session")
def points():
    """40 unit vectors in 8 classes of 5, float64 [40, 6], and their labels."""
    generator = np.random.default_rng(3)
    vectors = np.repeat(generator.normal(size=[8, 6]), 5, axis=0)
    vectors += 0.4 * generator.normal(size=vectors.shape)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat(np.arange(8), 5)
