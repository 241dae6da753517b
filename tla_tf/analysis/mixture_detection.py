"""Detection of misclassified images by their density under one Gaussian per class."""

import numpy as np
from scipy.stats import Covariance, multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score, roc_curve

# Added to every variance: an entry that is always zero (a dead ReLU) would have none.
VARIANCE_FLOOR = 1e-6
BLOCK_ROWS = 4096


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
        blocks = np.array_split(embeddings, -(-len(embeddings) // BLOCK_ROWS))
        return np.concatenate(
            [log_densities(block, self.means, self.covariances).max(axis=1) for block in blocks]
        )


def covariance_kind(labels, width):
    """Returns "full", or "tied" where a class has fewer images than an embedding has entries.

    Args:
        labels: int [n], labels of the images that the detector is fitted to.
        width: int, entries of an embedding.
    """
    _, counts = np.unique(labels, return_counts=True)
    return "full" if counts.min() >= width else "tied"


def log_densities(x, means, covariances):
    """Returns float64 [n, classes], log N(x; mean, covariance), no class prior.

    Args:
        x: float [n, d].
        means: float [classes, d].
        covariances: list of scipy.stats.Covariance.
    """
    x = np.float64(x)
    pairs = zip(means, covariances, strict=True)
    columns = [multivariate_normal.logpdf(x, mean, covariance) for mean, covariance in pairs]
    return np.stack([np.atleast_1d(column) for column in columns], axis=1)


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
