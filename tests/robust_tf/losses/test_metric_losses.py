"""Contrastive and multi-similarity loss against naive loops."""

import numpy as np
import tensorflow as tf

from robust_tf.losses.contrastive import contrastive
from robust_tf.losses.multi_similarity import multi_similarity


def test_contrastive():
    near, far = np.array([0.3, 0.0, 0.5]), np.array([0.4, 1.0, 1.7])
    expected = [(0.09 + 0.36) / 2, 0.0, 0.125]
    np.testing.assert_allclose(contrastive(near, far), expected, atol=1e-12)


def naive(similarity, same, alpha=2.0, beta=50.0, base=0.5, selection=0.1):
    """One anchor; its own column has no class."""
    pairs = [(s, bool(x)) for s, x in zip(similarity, same) if x is not None]
    positives = [s for s, x in pairs if x]
    negatives = [s for s, x in pairs if not x]
    if not positives or not negatives:
        return 0.0
    hard_p = [s for s in positives if s < max(negatives) + selection]
    hard_n = [s for s in negatives if s > min(positives) - selection]
    total_p = sum(np.exp(-alpha * (s - base)) for s in hard_p)
    total_n = sum(np.exp(beta * (s - base)) for s in hard_n)
    return np.log1p(total_p) / alpha + np.log1p(total_n) / beta


def test_multi_similarity():
    similarity = np.array(
        [[1, 0.9, 0.2, 0.85, 0.1], [0.9, 1, 0.3, 0.4, 0.5], [0.2, 0.3, 1, 0.95, 0.0], [0.5] * 5]
    )
    same = [[None, 1, 1, 0, 0], [1, None, 1, 0, 0], [1, 1, None, 0, 0], [1, 1, 1, 1, 1]]
    positive = np.array([[one == 1 for one in row] for row in same])
    negative = np.array([[one == 0 for one in row] for row in same])
    found = multi_similarity(tf.constant(similarity), positive, negative)
    expected = [naive(*row) for row in zip(similarity, same)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert expected[3] == 0 < min(expected[:3])


def test_multi_similarity_has_finite_gradients():
    similarity = tf.constant([[1.0, -1.0, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(similarity)
        loss = multi_similarity(similarity, [[False] * 3], [[False, True, True]], beta=500.0)
    np.testing.assert_array_equal(tape.gradient(loss, similarity), [[0.0, 0.0, 0.0]])
