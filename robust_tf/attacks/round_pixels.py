"""Attacked images as 8-bit files would keep them (TLA authors' code, evaluation attacks)."""

import tensorflow as tf

from robust_tf.attacks.select_images import select_images
from robust_tf.threat_model import ThreatModel

LEVELS = 255.0
# What float32 loses on the way to whole levels.
SLACK = 1e-3


def round_pixels(x_adv: tf.Tensor, x: tf.Tensor, threat_model: ThreatModel) -> tf.Tensor:
    """Returns `x_adv` on the grid of 255ths, still in ball and box.

    Each pixel takes the nearest level. Where eps is no whole number of levels, the nearest level
    may lie outside the ball. Then it takes the nearest inside (L-inf), or all pixels of the image
    take the next level towards `x` (L2).

    Args:
        x_adv: float [batch, ...], in ball and box.
        x: like `x_adv`, the clean images, on the grid.
        threat_model: `ThreatModel`.
    """
    levels = x_adv * LEVELS
    nearest = tf.round(levels)
    if threat_model.norm == "linf":
        clean, farthest = tf.round(x * LEVELS), tf.floor(threat_model.eps * LEVELS + SLACK)
        return tf.clip_by_value(nearest, clean - farthest, clean + farthest) / LEVELS
    inward = tf.where(x_adv > x, tf.floor(levels + SLACK), tf.math.ceil(levels - SLACK))
    inside = threat_model.contains(nearest / LEVELS, x)
    return select_images(inside, nearest, inward) / LEVELS
