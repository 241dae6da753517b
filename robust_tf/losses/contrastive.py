"""The contrastive loss on distances that were computed already."""

import tensorflow as tf


def contrastive(distance_positive, distance_negative, margin=1.0):
    """1/2 (D(a, p)^2 + max(0, margin - D(a, n))^2) per triplet, [batch].

    Hadsell, Chopra and LeCun 2006, equation (4), summed over its two pairs. Unit vectors lie at
    most 2 apart.
    """
    return (distance_positive**2 + tf.nn.relu(margin - distance_negative) ** 2) / 2
