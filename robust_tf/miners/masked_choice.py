"""One choice per row of a boolean mask: at random, or the best by a score.

Validity is decided by the mask, never by a huge constant in the scores: a row without an admissible
column returns index 0 and `valid` False, and its caller gives the tuple weight 0.
"""

import tensorflow as tf


def best_choice(mask, scores):
    """Returns the admissible column with the highest score.

    Args:
        mask: bool [rows, columns], what may be chosen.
        scores: float [rows, columns], finite.

    Returns:
        index int32 [rows], valid bool [rows].
    """
    lowest = tf.constant(-float("inf"), scores.dtype)
    index = tf.argmax(tf.where(mask, scores, lowest), axis=1, output_type=tf.int32)
    return index, tf.reduce_any(mask, axis=1)


def uniform_choice(mask, noise):
    """Returns one admissible column per row, each with the same probability.

    Args:
        mask: bool [rows, columns].
        noise: independent uniform draws [rows, columns].

    Returns:
        index int32 [rows], valid bool [rows].
    """
    return best_choice(mask, noise)
