"""Detection of misclassified images by their density under one Gaussian per class."""

import math

import numpy as np
import tensorflow as tf
from scipy.stats import Covariance
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score, roc_curve

from robust_tf.evaluation.row_blocks import row_blocks

# Added to every variance: an entry that is always zero (a dead ReLU) would have none.
VARIANCE_FLOOR = 1e-6


class MixtureDetector:
    """One Gaussian per class, fitted to natural training embeddings (TLA, section 5.3, figure 5).

    Args:
        embeddings: float [n, d].
        labels: int [n], true classes; each class that occurs gets a Gaussian and needs two images.
        covariance: "full", one per class; "tied", one of all deviations from the class means;
            "diag", one per class without correlations. The first two with the shrinkage of Ledoit
            and Wolf (2004) towards a multiple of the identity.
    """

    def __init__(self, embeddings, labels, covariance):
        self.classes = np.unique(labels)
        members = [np.float64(embeddings[labels == k]) for k in self.classes]
        self.means = np.array([rows.mean(axis=0) for rows in members])
        deviations = [rows - mean for rows, mean in zip(members, self.means, strict=True)]
        if covariance == "tied":
            self.covariances = [_shrunk(np.concatenate(deviations))] * len(members)
        else:
            estimate = {"full": _shrunk, "diag": _diagonal}[covariance]
            self.covariances = [estimate(rows) for rows in deviations]

    def scores(self, embeddings):
        """Returns c(x), float64 [n], the log density of the likeliest class; low is suspicious."""
        return MixtureScore(self, tf.float64).of_many(embeddings)


def covariance_kind(labels, width):
    """Returns "full", or "tied" where a class has fewer images than an embedding has entries.

    Args:
        labels: int [n], labels of the images that the detector is fitted to.
        width: int, entries of an embedding.
    """
    _, counts = np.unique(labels, return_counts=True)
    return "full" if counts.min() >= width else "tied"


def gaussian_log_densities(x, means, whitenings, log_determinants):
    """Returns log N(x; mean, covariance) of every class, no class prior, float [batch, classes].

    Args:
        x: float [batch, d].
        means: float [classes, d].
        whitenings: float [classes, d, d] or, if all classes share one, [1, d, d]: W with
            W W^T = covariance^-1.
        log_determinants: float [classes] or [1], of the covariances.
    """
    whitened = tf.matmul(x[None] - means[:, None], whitenings)
    distances = tf.reduce_sum(tf.square(whitened), axis=-1)
    constants = log_determinants + x.shape[-1] * math.log(2 * math.pi)
    return -0.5 * tf.transpose(distances + constants[:, None])


class MixtureScore(tf.Module):
    """c(x) = max_k log N(h(x); mu_k, Sigma_k) of a fitted `MixtureDetector`, differentiable.

    Args:
        detector: the `MixtureDetector`.
        dtype: Data type of the embeddings.
    """

    def __init__(self, detector, dtype=tf.float32):
        super().__init__()
        covariances = detector.covariances
        if all(covariance is covariances[0] for covariance in covariances):
            covariances = covariances[:1]  # tied: one matrix for all
        unit = np.eye(detector.means.shape[1])
        # Variables: a SavedModel would copy constants into its graph, which is limited to 2 GB.
        self._gaussians = [
            tf.Variable(values, trainable=False, dtype=dtype)
            for values in (
                detector.means,
                np.stack([covariance.whiten(unit) for covariance in covariances]),
                np.stack([covariance.log_pdet for covariance in covariances]),
            )
        ]

    def __call__(self, embeddings):
        """Returns c, float [batch], of float [batch, d]."""
        return tf.reduce_max(gaussian_log_densities(embeddings, *self._gaussians), axis=1)

    def of_many(self, embeddings):
        """Returns c, float [n], of float [n, d], NumPy arrays, in blocks of rows."""
        means = self._gaussians[0]
        blocks = row_blocks(len(embeddings), means.dtype.size * means.shape.num_elements())
        parts = [self(tf.constant(embeddings[rows], means.dtype)) for rows in blocks]
        return np.concatenate(parts)


def detection_roc(scores, misclassified):
    """Returns (false positive rates, true positive rates, area under the curve).

    The detector's value is -c, positives are the misclassified images; equal values count half.

    Args:
        scores: c, float [n].
        misclassified: bool [n], clean and attacked images that are misclassified.
    """
    false_rates, true_rates, _ = roc_curve(misclassified, -scores)
    return false_rates, true_rates, float(roc_auc_score(misclassified, -scores))


def _shrunk(deviations):
    matrix, _ = ledoit_wolf(deviations, assume_centered=True)
    matrix.flat[:: len(matrix) + 1] += VARIANCE_FLOOR
    return Covariance.from_cholesky(np.linalg.cholesky(matrix))


def _diagonal(deviations):
    return Covariance.from_diagonal(np.maximum(np.mean(deviations**2, axis=0), VARIANCE_FLOOR))
