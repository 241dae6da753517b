"""A classifier on one attacked batch, for the evaluation loop."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.objectives import correct as is_correct
from robust_tf.attacks.round_pixels import round_pixels


def classify_attacked(logits_fn, labels, preset=None, *, source_fn=None, keep_images=False):
    """Returns the function of one batch for `attack_loop`.

    Args:
        logits_fn: images to logits.
        labels: int [n], labels of the whole data set.
        preset: `Preset`; None for clean images.
        source_fn: images to logits of the classifier that the images are made on; default:
            `logits_fn`.
        keep_images: whether the outputs hold the attacked images, "image".

    Returns:
        (images, rows, keys) -> dict of "correct", "finite" and "inside", bool [b].
    """
    labels = tf.constant(labels, tf.int32)
    attack = preset and preset.single_run().attack

    def attack_batch(images, rows, keys):
        y, attacked = tf.gather(labels, rows), images
        inside = tf.ones_like(rows, tf.bool)
        if attack is not None:
            attacked = attack.perturb(source_fn or logits_fn, images, y, keys)
            if preset.rounded:
                attacked = round_pixels(attacked, images, attack.threat_model)
            inside = attack.threat_model.contains(attacked, images)
        logits = logits_fn(attacked)
        finite = tf.reduce_all(tf.math.is_finite(logits), axis=1)
        outputs = {"correct": is_correct(logits, y), "finite": finite, "inside": inside}
        return {**outputs, "image": attacked} if keep_images else outputs

    return attack_batch


def still_correct(runs, count):
    """Returns bool [count], the images that every restart attacked and left correct.

    Args:
        runs: list from `attack_loop` with `classify_attacked` and active="correct".
        count: int, images in the data set.
    """
    correct = np.zeros(count, bool)
    for run in runs:
        correct[run["rows"]] = run["correct"]
    return correct
