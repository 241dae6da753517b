"""ICS, the intra-class structure loss (HM, section 3.3)."""

from robust_tf.distances import shifted_euclidean
from robust_tf.losses.triplet_margin import triplet_margin


def intra_class_structure(anchor, adversarial_anchor, positive, margin=0.0):
    """max(0, d(a, a~) - d(a, p) + margin): an attack moves an image less than its class is wide.

    Args:
        anchor, positive: embeddings of the clean images, float [m, d].
        adversarial_anchor: embeddings of the perturbed anchors, float [m, d].
        margin: 0 in the paper.

    Returns:
        float [m].
    """
    moved = shifted_euclidean(anchor, adversarial_anchor)
    return triplet_margin(moved, shifted_euclidean(anchor, positive), margin)
