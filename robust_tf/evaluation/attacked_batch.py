"""A classifier on one attacked batch, for the evaluation loop."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.objectives import correct as is_correct
from robust_tf.attacks.objectives import margin
from robust_tf.attacks.perturbed import perturbed


def classify_attacked(outputs_fn, labels, preset=None, *, source_fn=None, keep=()):
    """Returns the function of one batch for `attack_loop`.

    Args:
        outputs_fn: images to logits, or to a dict of outputs with "logits".
        labels: int [n], labels of the whole data set.
        preset: `Preset`; None for clean images.
        source_fn: images to logits of the classifier that the images are made on; default: the
            attacked one.
        keep: names of further outputs, of that dict, or "image", the attacked image, or "margin",
            its margin.

    Returns:
        (images, rows, keys) -> dict of "correct", "finite" and "inside", bool [b], and of `keep`.
    """
    labels = tf.constant(labels, tf.int32)
    preset = preset and preset.single_run()

    def outputs_of(images):
        outputs = outputs_fn(images)
        return outputs if isinstance(outputs, dict) else {"logits": outputs}

    source_fn = source_fn or (lambda images: outputs_of(images)["logits"])

    def attack_batch(images, rows, keys):
        y, attacked = tf.gather(labels, rows), images
        inside = tf.ones_like(rows, tf.bool)
        if preset is not None:
            attacked = preset.attack.perturb(source_fn, images, y, keys)
            attacked = perturbed(preset.attack, attacked, images)
            attacked = preset.as_shown(attacked, images)
            inside = preset.threat_model.contains(attacked, images)
        outputs = {"image": attacked, **outputs_of(attacked)}
        outputs["margin"] = margin(outputs["logits"], y)
        finite = tf.reduce_all(tf.math.is_finite(outputs["logits"]), axis=1)
        found = {"correct": is_correct(outputs["logits"], y), "finite": finite, "inside": inside}
        return {**found, **{name: outputs[name] for name in keep}}

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
