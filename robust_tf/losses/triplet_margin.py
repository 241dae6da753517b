"""The triplet margin loss on distances that were computed already."""

import tensorflow as tf


def triplet_margin(distance_positive, distance_negative, margin):
    """max(0, D(a, p) - D(a, n) + margin) per triplet, [batch]."""
    return tf.nn.relu(distance_positive - distance_negative + margin)
