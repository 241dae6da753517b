import numpy as np
import pytest
import tensorflow as tf

from hm_tf.ranking_attacks.gallery import Gallery
from hm_tf.ranking_attacks.learning_to_misrank import LearningToMisrank

# mode, degrees -> J, R@1; at 43 degrees the nearest of the class is the own copy in compat
VECTORS = {
    ("compat", 43): (1.284645, 0),
    ("compat", 30): (1.316843, 0),
    ("fixed", 43): (1.145578, 0),
    ("fixed", 30): (1.316843, 0),
}


@pytest.mark.parametrize("mode, degrees", VECTORS)
def test_twelve_items(example, mode, degrees):
    values = example(LearningToMisrank(mode), [5], degrees)
    np.testing.assert_allclose(values, VECTORS[mode, degrees], atol=2e-6)


def test_recall_before_the_attack(example):
    assert example(LearningToMisrank(), [5], 49)[1] == 1


def gradient_at_the_start(mode, vectors, labels, noise):
    gallery = Gallery(vectors.astype(np.float32), labels)
    rows = tf.range(len(vectors))
    moved = gallery.vectors(rows) + noise
    with tf.GradientTape() as tape:
        tape.watch(moved)
        cost = LearningToMisrank(mode).cost(gallery, rows, (rows,))(moved)
    return tape.gradient(cost, moved)


@pytest.mark.parametrize("noise", [0.0, 3e-8])
def test_the_own_copy_at_distance_zero_does_not_push(points, noise):
    """compat starts at its own copy: only the farthest of the other classes has a gradient."""
    vectors, labels = points
    gradient = gradient_at_the_start("compat", vectors, labels, noise)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    distances[labels[:, None] == labels] = 0
    farthest = distances.argmax(axis=1)
    expected = (vectors - vectors[farthest]) / distances.max(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_fixed_pushes_the_nearest_other_image_of_the_class(points):
    vectors, labels = points
    gradient = gradient_at_the_start("fixed", vectors, labels, 0.0)
    compat = gradient_at_the_start("compat", vectors, labels, 0.0)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    distances[(labels[:, None] != labels) | np.eye(40, dtype=bool)] = np.inf
    nearest = distances.argmin(axis=1)
    pushed = (vectors - vectors[nearest]) / distances.min(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, compat - pushed, atol=1e-6)


def test_a_class_of_one_image_has_nothing_to_push():
    vectors = np.eye(4)
    gallery = Gallery(vectors, [0, 1, 1, 2])
    rows = tf.constant([0, 3])
    attack = LearningToMisrank("fixed")
    moved = gallery.vectors(rows)
    assert np.all(attack.cost(gallery, rows, (rows,))(moved) == 0)
    assert np.all(attack.measure(moved, gallery, rows, (rows,))[0] == 0)
