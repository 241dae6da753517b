"""The hardness of a triplet and the triplet loss (HM, section 3)."""

from robust_tf.distances import shifted_euclidean
from robust_tf.losses.triplet_margin import triplet_margin


def hardness(anchor, positive, negative, distance=shifted_euclidean):
    """H = d(a, p) - d(a, n).

    Args:
        anchor, positive, negative: normalised embeddings, float [m, d].
        distance: distance d between embeddings; the default follows the authors' code.

    Returns:
        float [m], in [-2, 2].
    """
    return distance(anchor, positive) - distance(anchor, negative)


def triplet_loss(anchor, positive, negative, margin, distance=shifted_euclidean):
    """L_T = max(0, H + margin); `hardness` describes the arguments; float [m]."""
    return triplet_margin(distance(anchor, positive), distance(anchor, negative), margin)
