"""The log density with a gradient against vector T14 and against that of the detector."""

import numpy as np
import pytest
import tensorflow as tf

from tla_tf.analysis.gaussian_log_density import MixtureScore, gaussian_log_densities
from tla_tf.analysis.mixture_detection import MixtureDetector


def whitening(matrix):
    """W with W W^T = matrix^-1."""
    return np.linalg.inv(np.linalg.cholesky(np.array(matrix))).T


def test_log_densities_of_two_gaussians():
    covariances = [[[1, 0.3], [0.3, 0.5]], [[0.4, 0.0], [0, 0.8]]]
    densities = gaussian_log_densities(
        tf.constant([[0.5, 0.2], [-0.8, 0.7], [0, 2]], tf.float64),
        tf.constant([[1.0, 0], [-1, 1]], tf.float64),
        tf.constant([whitening(matrix) for matrix in covariances]),
        np.log(np.linalg.det(covariances)),
    )
    expected = [[-1.666468, -4.480660], [-4.887200, -1.374410], [-8.343298, -3.143160]]
    np.testing.assert_allclose(densities, expected, atol=1e-5)


def blobs(n, d):
    labels = np.arange(n) % 3
    return np.random.default_rng(0).normal(size=(n, d)) + 2 * labels[:, None], labels


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_score_is_that_of_the_detector(covariance):
    embeddings, labels = blobs(300, 5)
    detector = MixtureDetector(embeddings, labels, covariance)
    queries = np.random.default_rng(1).normal(size=(20, 5)) * 3
    expected = detector.scores(queries)
    score = MixtureScore(detector, tf.float64)
    np.testing.assert_allclose(score(tf.constant(queries)), expected, rtol=1e-9)
    single = MixtureScore(detector)(tf.constant(queries, tf.float32))
    np.testing.assert_allclose(single, expected, rtol=1e-4)


def test_singular_covariances_have_finite_scores_and_gradients():
    embeddings, labels = blobs(6, 20)  # fewer images than entries
    embeddings[:, 3] = 0  # a dead entry
    score = MixtureScore(MixtureDetector(embeddings, labels, "full"))
    x = tf.constant(embeddings + 1, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = score(x)
    assert np.isfinite(values).all() and np.isfinite(tape.gradient(values, x)).all()
