"""ICS, the intra-class structure loss (HM, section 3.3), and what else a sextuplet allows (B.4)."""

from hm_tf.triplets import ICS_TRIPLETS
from robust_tf.distances import shifted_euclidean
from robust_tf.losses.triplet import triplet_loss

ROLES = "apn"


def intra_class_structure(
    clean, adversarial, margin=0.0, triplet=ICS_TRIPLETS[0], distance=shifted_euclidean
):
    """max(0, d(a, a~) - d(a, p) + margin): an attack moves an image less than its class is wide.

    Args:
        clean: dict role -> embeddings of the clean images, float [m, d], of the `clean_roles`.
        adversarial: dict role -> embeddings of the perturbed images, float [m, d].
        margin: 0 in the paper.
        triplet: one of `ICS_TRIPLETS`.
        distance: distance d between embeddings.

    Returns:
        float [m].
    """
    sextuplet = {**clean, **{f"{role}~": rows for role, rows in adversarial.items()}}
    anchor, positive, negative = (sextuplet[member] for member in triplet.split(","))
    return triplet_loss(anchor, positive, negative, margin, distance)


def clean_roles(triplet):
    """Returns the roles whose clean embeddings a triplet of the sextuplet needs, as "ap"."""
    return "".join(role for role in ROLES if role in triplet.split(","))
