"""Log densities, the area under the curve, and covariances that are hard to invert."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal
from sklearn.metrics import auc

from tla_tf.analysis.mixture_detection import (
    VARIANCE_FLOOR,
    MixtureDetector,
    MixtureScore,
    detection_roc,
    gaussian_log_densities,
)


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


def test_area_counts_a_tie_half():
    scores = np.array([3, 2.5, 2.5, 1, 0.5, 2, -1, 0])
    positives = np.array([0, 0, 1, 0, 1, 0, 1, 1], bool)
    false_rates, true_rates, area = detection_roc(scores, positives)
    assert area == pytest.approx(0.843750)
    assert auc(false_rates, true_rates) == pytest.approx(area)


def blobs(n, d, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return rng.normal(size=(n, d)) + 4 * labels[:, None], labels


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_every_covariance_finds_what_is_far_from_all_classes(covariance):
    embeddings, labels = blobs(400, 6)
    detector = MixtureDetector(embeddings, labels, covariance)
    near, far = detector.scores(blobs(100, 6, seed=1)[0]), detector.scores(np.full((5, 6), 30.0))
    assert near.min() > far.max()


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_dead_entries_few_images_and_equal_images_have_finite_densities(covariance):
    embeddings, labels = blobs(6, 20)  # fewer images than entries
    embeddings[:, 3] = 0
    embeddings[labels == 1] = 7.0
    scores = MixtureDetector(embeddings, labels, covariance).scores(embeddings)
    assert np.isfinite(scores).all()


def test_diagonal_is_the_variance_but_not_below_the_floor():
    embeddings = np.array([[0.0, 5], [2, 5], [4, 5]])
    detector = MixtureDetector(embeddings, np.zeros(3, int), "diag")
    (covariance,) = detector.covariances
    np.testing.assert_allclose(np.diag(covariance.covariance), [8 / 3, VARIANCE_FLOOR])


def test_tied_pools_the_deviations_from_the_class_means():
    embeddings, labels = blobs(2000, 3)
    detector = MixtureDetector(embeddings, labels, "tied")
    np.testing.assert_allclose(detector.covariances[0].covariance, np.eye(3), atol=0.1)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_scores_are_the_largest_log_density_of_scipy(covariance):
    embeddings, labels = blobs(300, 5)
    detector = MixtureDetector(embeddings, labels, covariance)
    queries = np.random.default_rng(1).normal(size=(20, 5)) * 3
    pairs = zip(detector.means, detector.covariances, strict=True)
    expected = np.max([multivariate_normal.logpdf(queries, *pair) for pair in pairs], axis=0)
    np.testing.assert_allclose(detector.scores(queries), expected, rtol=1e-9)
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
