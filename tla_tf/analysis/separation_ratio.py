"""How far adversarial embeddings lie from a class, measured by the class's own spread."""

import numpy as np

from robust_tf.distances import angular_matrix
from robust_tf.evaluation.row_blocks import row_blocks

LEFT_OUT = ": classes left out"  # end of the metric that counts classes without a ratio


def separation_ratios(natural, natural_labels, adversarial, groups, num_classes):
    """Returns r_k = sigma_adv / sigma_ntrl of every class (TLA, section 5.2 and table 2).

    sigma_ntrl is the mean angular distance of two different natural images of class k. sigma_adv is
    the mean distance between the adversarial images of group k and the natural images of class k.

    Args:
        natural: embeddings of clean images, float [n, d].
        natural_labels: their true classes, int [n].
        adversarial: embeddings of misclassified attacked images, float [m, d].
        groups: int [m], the class that each is compared with. The predicted classes give the ratio
            of table 2 (larger is better), the true classes its companion (smaller is better).
        num_classes: int.

    Returns:
        float64 [num_classes]; NaN where no adversarial image is in the group, and where the class
        has fewer than two natural images or no spread.
    """
    ratios = np.full(num_classes, np.nan)
    for k in range(num_classes):
        own = np.float64(natural[natural_labels == k])
        others = np.float64(adversarial[groups == k])
        spread = within_class_distance(own) if len(own) > 1 else 0.0
        if len(others) and spread > 0:
            ratios[k] = mean_distance(others, own) / spread
    return ratios


def within_class_distance(embeddings):
    """Returns the mean angular distance of two different rows of float [n, d], n > 1."""
    n = len(embeddings)
    # A row has distance 0 to itself, but 1 if it is zero: those are no pairs to count.
    zeros = np.count_nonzero(~np.any(embeddings, axis=1))
    total = n * n * mean_distance(embeddings, embeddings) - zeros
    # What is left of parallel rows is rounding.
    return total / (n * (n - 1)) if total > 1e-12 * n * n else 0.0


def mean_distance(u, v):
    """Returns the mean angular distance over all pairs of rows of float64 [n, d] and [m, d].

    In blocks of rows; there is never more than about 128 MB of distances.
    """
    blocks = row_blocks(len(u), 8 * len(v))
    total = sum(np.sum(angular_matrix(u[rows], v)) for rows in blocks)
    return float(total / (len(u) * len(v)))
