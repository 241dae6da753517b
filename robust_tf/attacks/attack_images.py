"""The public call of an attack: any classifier, arrays or tensors, in batches."""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.logits_of import (
    label_numbers,
    logits_of,
    refuse_probabilities,
    require_classes,
    require_labels,
)
from robust_tf.errors import RunError

# One function per classifier, so that a second attack finds what the first has compiled.
_cached_logits_of = functools.lru_cache(maxsize=8)(logits_of)
# Images attacked together unless the caller says otherwise.
BATCH = 256
# The commands draw for the same purpose: the same seed gives the same images.
PURPOSE = "evaluation"


def known_logits_of(model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """As `logits_of`, which refuses objects that are no model, such as an array."""
    return (_cached_logits_of if isinstance(model, Hashable) else logits_of)(model)


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
            batch size below 1.
        RunError: adversarial images that are not finite, as after a gradient that is not.
    """
    logits_fn = known_logits_of(model)
    if tf.is_tensor(x) and not hasattr(x, "numpy"):  # inside a tf.function
        keys = randomness.image_keys(seed, PURPOSE, tf.range(tf.shape(x)[0]))
        return attack.perturb(logits_fn, x, _class_tensor(y), keys)
    images, labels, size = prepare(attack.threat_model, logits_fn, x, y, batch_size)
    adversarial = images.copy()
    attack_rows(attack, logits_fn, images, labels, np.arange(len(images)), adversarial, seed, size)
    return tf.constant(adversarial) if tf.is_tensor(x) else adversarial


def prepare(threat_model, logits_fn, x, y, batch_size):
    """Returns the images as an array, their labels int32 [n], and the size of a batch; or raises.

    Takes the arguments of `attack_images` and raises its errors.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size}")
    images = _checked_images(x, threat_model)
    if not len(images):
        return images, np.zeros(0, np.int32), 1
    labels = _checked_labels(y, images, logits_fn)
    return images, labels, min(batch_size or BATCH, len(images))


def attack_rows(attack, logits_fn, images, labels, rows, adversarial, seed, size):
    """Writes the adversarial images of int [m] `rows` into the array `adversarial`, like images."""
    run = _compiled(attack, logits_fn)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        keys = randomness.image_keys(seed, PURPOSE, part)
        found = np.asarray(run(tf.constant(images[part]), tf.constant(labels[part]), keys))
        if not np.isfinite(found).all():
            raise RunError(f"{attack}: adversarial images are not finite; is the gradient?")
        adversarial[part] = found


@functools.lru_cache(maxsize=8)
def _compiled(attack, logits_fn):
    """One function per attack and classifier: the next call does not trace again."""

    def run(x, y, keys):
        return attack.perturb(logits_fn, x, y, keys)

    return run if getattr(attack, "eager", False) else CompiledBatch(run, any_size=True)


def image_array(x):
    """Returns images, an array or a tensor, as an array; or raises ValueError."""
    images = np.asarray(x)
    if images.dtype.kind in "OSU":
        raise ValueError(
            f"x is an array or a tensor of images, got {type(x).__name__}; of a tf.data.Dataset "
            "of batches: np.concatenate([x for x, y in dataset])"
        )
    return images


def _checked_images(x, threat_model):
    images = image_array(x)
    lower, upper = threat_model.lower, threat_model.upper
    if images.dtype.kind != "f":
        raise ValueError(
            f"images must be float in [{lower:g}, {upper:g}], got {images.dtype}; "
            "e.g. x.astype('float32') / 255"
        )
    if images.size and not (images.min() >= lower and images.max() <= upper):  # NaN: refused
        raise ValueError(
            f"images must be finite and in [{lower:g}, {upper:g}]; these range from "
            f"{images.min():g} to {images.max():g}"
        )
    return images


def _checked_labels(y, images, logits_fn):
    if size := getattr(logits_fn, "batch_size", None):
        raise ValueError(
            f"the SavedModel takes batches of {size} images only; robust_accuracy attacks it"
        )
    logits = logits_fn(tf.constant(images[:1]))
    require_classes(logits)
    refuse_probabilities(logits)
    count, classes, shape = len(images), logits.shape[1], np.shape(y)
    if shape not in ((count,), (count, 1), (count, classes)):
        raise ValueError(
            f"{count} images of {classes} classes need labels [{count}] or one-hot "
            f"[{count}, {classes}], got {list(shape)}"
        )
    labels = label_numbers(y)
    require_labels(labels, classes)
    return labels


def _class_tensor(y):
    y = tf.convert_to_tensor(y)
    return tf.argmax(y, axis=1, output_type=tf.int32) if y.shape.rank == 2 else tf.cast(y, tf.int32)
