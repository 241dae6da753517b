"""The hardness of a triplet and the triplet loss."""

import tensorflow as tf

from robust_tf.distances import shifted_euclidean


def hardness(anchor, positive, negative, distance=shifted_euclidean):
    """H = d(a, p) - d(a, n).

    Args:
        anchor, positive, negative: embeddings, float [m, d].
        distance: distance d between embeddings; the default follows the code of HM's authors.

    Returns:
        float [m].
    """
    return distance(anchor, positive) - distance(anchor, negative)


def triplet_loss(anchor, positive, negative, margin, distance=shifted_euclidean):
    """max(0, H + margin); `hardness` describes the arguments; float [m]."""
    return tf.nn.relu(hardness(anchor, positive, negative, distance) + margin)


def missing_hardness(destination, reached):
    """-max(0, H_D - H)^2: ascended, it makes a triplet as hard as H_D and no harder; float [m].

    This is hardness manipulation (Zhou and Patel 2022, section 3.1).
    """
    return -tf.square(tf.nn.relu(destination - reached))
