"""The public call of an attack: any classifier, arrays or tensors, in batches."""

from typing import Any

import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.compiled_attacks import known_attacks
from robust_tf.attacks.logits_of import (
    LABELS,
    ONE_IMAGE,
    PROBABILITIES,
    are_probabilities,
    assert_labels,
    assert_within,
    label_numbers,
    label_tensor,
    mistake_of_names,
    refuse_probabilities,
    require_classes,
    require_label_shape,
    require_labels,
)
from robust_tf.attacks.perturbed import perturbed
from robust_tf.errors import RunError, whole_number

# Images attacked together unless the caller says otherwise.
BATCH = 256
# The commands draw for the same purpose: the same seed gives the same images.
PURPOSE = "evaluation"


def attack_images(attack, model: Any, x: Any, y: Any, *, seed: int = 0, batch_size=None) -> Any:
    """Returns adversarial images for a classifier.

    The images depend on the seed and their place in `x`, not on the batch size.

    Args:
        attack: an `Attack`, or an object with its `perturb` and `threat_model`.
        model: the classifier, see `logits_of`.
        x: float [n, ...], the clean images in the box of the threat model; array or tensor.
        y: the true labels, int [n] or one-hot [n, classes].
        seed: seed of all random draws.
        batch_size: images attacked together; default: at most 256.

    Returns:
        Images like `x`, an array for an array, a tensor for a tensor, in ball and box.

    Raises:
        ValueError: images outside the box, labels that do not fit, probabilities for logits, a
            batch size below 1, a seed that is no whole number.
        tf.errors.InvalidArgumentError: the same, inside a `tf.function`.
        RunError: adversarial images that are not finite, as after a gradient that is not.
    """
    known = known_attacks(model)
    logits_fn = known.logits_fn
    if in_a_function():
        images, labels = checked_tensors(attack.threat_model, logits_fn, x, y)
        keys = randomness.image_keys(seed, PURPOSE, tf.range(tf.shape(images)[0]))
        return perturbed(attack, attack.perturb(logits_fn, images, labels, keys), images)
    images, labels, size = prepare(attack.threat_model, logits_fn, x, y, batch_size)
    adversarial = images.copy()
    attack_rows(attack, known, images, labels, np.arange(len(images)), adversarial, seed, size)
    return tf.constant(adversarial) if tf.is_tensor(x) else adversarial


def in_a_function() -> bool:
    """Whether the call is traced, in a `tf.function` or in `tf.data.Dataset.map`."""
    return not tf.executing_eagerly()


def checked_tensors(threat_model, logits_fn, x, y):
    """Returns images and labels, int32 [n], of a call that is traced.

    Refused are names for labels, soft labels, images and labels out of range, and outputs that are
    no logits. Where only the values show the mistake, an assertion refuses it.
    """
    if mistake := mistake_of_names(y):
        raise ValueError(mistake)
    images, given = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    if given.shape.rank == 0:
        raise ValueError(ONE_IMAGE)
    labels = label_tensor(given)
    _require_float(images.dtype.name, threat_model)
    logits = logits_fn(images if getattr(logits_fn, "batch_size", None) else images[:1])
    require_classes(logits)
    last = logits.shape[1] - 1
    checks = [
        *assert_labels(given),
        *assert_within(images, threat_model.lower, threat_model.upper, _said(threat_model)),
        *assert_within(labels, 0, last, LABELS.format(last)),
        tf.debugging.Assert(~are_probabilities(logits), [PROBABILITIES]),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(images), tf.identity(labels)


def prepare(threat_model, logits_fn, x, y, batch_size):
    """Returns the images as an array, their labels int32 [n], and the size of a batch; or raises.

    Takes the arguments of `attack_images` and raises its errors.
    """
    if batch_size is not None:
        whole_number("batch_size", batch_size, lowest=1)
    images = image_array(x)
    _require_float(images.dtype.name, threat_model)
    lower, upper = threat_model.lower, threat_model.upper
    if images.size and not (images.min() >= lower and images.max() <= upper):  # NaN: refused
        raise ValueError(f"{_said(threat_model)} {images.min():g} to {images.max():g}")
    if not len(images):
        return images, np.zeros(0, np.int32), 1
    labels = _checked_labels(y, images, logits_fn)
    return images, labels, min(batch_size or BATCH, len(images))


def attack_rows(attack, known, images, labels, rows, adversarial, seed, size):
    """Writes the adversarial images of int [m] `rows` into the array `adversarial`, like images."""
    if not len(rows):
        return
    run = known.of(attack, tf.constant(images[rows[:1]]))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        keys = randomness.image_keys(seed, PURPOSE, part)
        found = np.asarray(run(tf.constant(images[part]), tf.constant(labels[part]), keys))
        if not np.isfinite(found).all():
            raise RunError(f"{attack}: adversarial images are not finite; is the gradient?")
        adversarial[part] = found


def image_array(x):
    """Returns images, an array or a tensor, as an array; or raises ValueError."""
    images = np.asarray(x)
    if images.dtype.kind in "OSU":
        raise ValueError(
            f"x is an array or a tensor of images, got {type(x).__name__}; of a tf.data.Dataset "
            "of batches: np.concatenate([x for x, y in dataset])"
        )
    return images


def _require_float(dtype, threat_model):
    if dtype in ("float16", "float32", "float64"):
        return
    box = f"[{threat_model.lower:g}, {threat_model.upper:g}]"
    cast = "tf.cast(x, 'float32')" if "float" in dtype else "x.astype('float32') / 255"
    raise ValueError(f"images must be float in {box}, got {dtype}; e.g. {cast}")


def _said(threat_model):
    box = f"[{threat_model.lower:g}, {threat_model.upper:g}]"
    return f"images must be finite and in {box}; these range from"


def _checked_labels(y, images, logits_fn):
    if size := getattr(logits_fn, "batch_size", None):
        raise ValueError(
            f"the SavedModel takes batches of {size} images only; robust_accuracy attacks it"
        )
    labels = label_numbers(y)  # before the model, which fails on one image in its own words
    logits = logits_fn(tf.constant(images[:1]))
    require_classes(logits)
    refuse_probabilities(logits)
    require_label_shape(y, len(images), logits.shape[1])
    require_labels(labels, logits.shape[1])
    return labels
