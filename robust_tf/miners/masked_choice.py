"""One choice per row of a boolean mask: at random, by weights, or the best by a score.

Validity is decided by the mask, never by a huge constant in the scores. A row without an admissible
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
    # A replica without an image in the last batch has no column. One more is never the first.
    scores = tf.pad(tf.where(mask, scores, lowest), [[0, 0], [0, 1]], constant_values=lowest)
    index = tf.argmax(scores, axis=1, output_type=tf.int32)
    return index, tf.reduce_any(mask, axis=1)


def uniform_choice(mask, noise):
    """`best_choice` by independent uniform draws: all admissible columns are equally likely."""
    return best_choice(mask, noise)


def weighted_choice(probabilities, noise):
    """Returns one column per row, each with its probability.

    Args:
        probabilities: float [rows, columns]; a row of zeros has nothing to choose.
        noise: independent uniform draws in [0, 1), [rows, columns].

    Returns:
        index int32 [rows], valid bool [rows].
    """
    # The smallest of exponential draws of the rates p is at each column with its probability.
    # Rounded to float32, 1 - noise would be 1 for the smallest draws: log1p keeps them apart.
    noise = tf.cast(noise, probabilities.dtype)
    times = tf.math.divide_no_nan(-tf.math.log1p(-noise), probabilities)
    return best_choice(probabilities > 0.0, -times)
