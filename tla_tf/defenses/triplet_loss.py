"""The triplet part of TLA's loss: equation (1) of the paper, and the form of the authors' code."""

from typing import NamedTuple

import tensorflow as tf

from robust_tf.distances import angular
from robust_tf.losses.triplet import hardness, missing_hardness, triplet_loss


class Triplet(NamedTuple):
    """Embeddings [batch, width] of anchors, positives and negatives.

    `valid`, bool [batch], is False where a row has no negative: it then has weight 0.
    """

    anchor: tf.Tensor
    positive: tf.Tensor
    negative: tf.Tensor
    margin: float
    valid: tf.Tensor


def angular_triplet(anchor, positive, negative, margin):
    """max(0, D(a, p) - D(a, n) + margin) with D = 1 - |cos|, per row, [batch]."""
    return triplet_loss(anchor, positive, negative, margin, angular)


def sum_of_norms(anchor, positive, negative):
    """||a||_2 + ||p||_2 + ||n||_2 per row, [batch]: the feature-norm term of equation (1)."""
    return tf.add_n([_norm(rows) for rows in (anchor, positive, negative)])


def mean_of_squares(anchor, positive, negative):
    """mean_j (a_j^2 + p_j^2 + n_j^2) per row, [batch]: the norm term of the authors' code."""
    return tf.reduce_mean(anchor**2 + positive**2 + negative**2, axis=1)


NORM_FORMS = {"l2": sum_of_norms, "mean_sq": mean_of_squares}


def triplet_terms(triplets, norm_form="l2"):
    """Sums the triplet loss and the norm term over the active triplets.

    Args:
        triplets: list of `Triplet`.
        norm_form: "l2" (paper) or "mean_sq" (authors' code).

    Returns:
        (triplet, norm), float [batch] each.
    """
    losses, norms = [], []
    for anchor, positive, negative, margin, valid in triplets:
        weight = tf.cast(valid, anchor.dtype)
        losses.append(weight * angular_triplet(anchor, positive, negative, margin))
        norms.append(weight * NORM_FORMS[norm_form](anchor, positive, negative))
    return tf.add_n(losses), tf.add_n(norms)


def hardness_objective(triplets, destination):
    """-sum max(0, H_D - H)^2 with H = D(a, p) - D(a, n) over the active triplets, [batch].

    HM has Euclidean distances there, see `missing_hardness`.

    Args:
        triplets: list of `Triplet`; their margins do not enter.
        destination: H_D in [-1, 1].
    """
    values = []
    for anchor, positive, negative, _, valid in triplets:
        missing = missing_hardness(destination, hardness(anchor, positive, negative, angular))
        values.append(tf.cast(valid, anchor.dtype) * missing)
    return tf.add_n(values)


def _norm(rows):
    # The floor keeps the gradient finite for an embedding of zeros.
    return tf.sqrt(tf.reduce_sum(rows**2, axis=1) + 1e-20)
