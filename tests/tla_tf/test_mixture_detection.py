"""Log densities, the area under the curve, and covariances that are hard to invert."""

import numpy as np
import pytest
from scipy.stats import Covariance
from sklearn.metrics import auc

from tla_tf.analysis.mixture_detection import (
    VARIANCE_FLOOR,
    MixtureDetector,
    detection_roc,
    log_densities,
)


def from_matrix(matrix):
    return Covariance.from_cholesky(np.linalg.cholesky(np.array(matrix, float)))


def test_log_densities_of_two_gaussians():
    means = np.array([[1.0, 0], [-1, 1]])
    covariances = [from_matrix([[1, 0.3], [0.3, 0.5]]), Covariance.from_diagonal([0.4, 0.8])]
    densities = log_densities([[0.5, 0.2], [-0.8, 0.7], [0, 2]], means, covariances)
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
