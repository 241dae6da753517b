"""Free checks of a classifier before every evaluation: one line for each doubt about its numbers.

Sources: Croce and Hein 2020 (AutoAttack's flags); see `doubts` for the checks that embedding
networks share.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from robust_tf.attacks.keras_graph import PROBABILITIES
from robust_tf.attacks.logits_of import require_classes, require_labels
from robust_tf.evaluation.attack_loop import images_of
from robust_tf.evaluation.doubts import (
    RANGES,
    Doubt,
    input_gradients,
    looked_at,
    misleading_gradients,
    near_chance,
    of,
    unsteady,
    zero_gradients,
)
from robust_tf.losses.cross_entropy import cross_entropy

# Probabilities below this have no logarithm in float32, those closer to 1 are 1.
TINY, CLOSE_TO_ONE = 1e-37, 1e-7
# Below this many images an accuracy says little about chance.
FEWEST_FOR_CHANCE = 20


class FreeChecks(NamedTuple):
    """Findings of the free checks.

    Attributes:
        logits_fn: images to logits; the logarithms of a model's probabilities.
        kind: Kind of the outputs, see `output_kind`.
        num_classes: int.
        doubts: list of `Doubt`.
        saturated: whether some image has no gradient because its probabilities are 0 and 1.
    """

    logits_fn: Callable
    kind: str
    num_classes: int
    doubts: list
    saturated: bool = False


def free_checks(outputs_fn, images, labels, *, fixed_size=False):
    """Looks at a classifier through at most 100 images; cheaper than FGSM on one batch of 120.

    One forward and backward pass, three forward passes of half the images. Nothing is traced.

    Args:
        outputs_fn: images [b, h, w, c] to logits or probabilities [b, classes].
        images: float [b, h, w, c].
        labels: int [b].
        fixed_size: whether the network accepts batches of this size only.

    Returns:
        `FreeChecks`.

    Raises:
        ValueError: labels of classes that the outputs do not have.
    """

    def loss(outputs):
        require_classes(outputs)
        require_labels(labels.numpy(), outputs.shape[1])
        return cross_entropy(_as_logits(outputs, output_kind(outputs.numpy())), labels)

    looked = outputs, _, gradients = input_gradients(outputs_fn, loss, images)
    values, kind = outputs.numpy(), output_kind(outputs.numpy())
    saturated = _saturated(values, kind)
    unsteadiness = unsteady(outputs_fn, images, values, fixed_size)
    doubts = [
        _scale(kind),
        _no_gradient(gradients, saturated),
        misleading_gradients(outputs_fn, loss, images, looked, unsteadiness, fixed_size),
        unsteadiness,
        _near_chance(outputs_fn, images, np.asarray(labels), values),
    ]
    logits_fn = outputs_fn
    if kind in PROBABILITIES:

        def logits_fn(x):
            return _as_logits(outputs_fn(x), kind)

    found = [doubt for doubt in doubts if doubt is not None]
    return FreeChecks(logits_fn, kind, values.shape[1], found, bool(saturated.any()))


def check_examples(outputs_fn, examples, batch_size, *, fixed_size=False, dtype="float32"):
    """Makes the `free_checks` on the rows that `looked_at` names; same result.

    Args:
        outputs_fn, fixed_size: see `free_checks`.
        examples: `Examples`.
        batch_size: images of an attacked batch.
        dtype: data type of the images.
    """
    rows = looked_at(len(examples), batch_size, fixed_size)
    labels = tf.constant(examples.labels[rows], tf.int32)
    images = images_of(examples, rows, dtype)
    return free_checks(outputs_fn, images, labels, fixed_size=fixed_size)


def output_kind(outputs):
    """Returns what float [n, classes] look like: "softmax", "sigmoid", "bounded" or "logits".

    softmax: in [0, 1], every row sums to 1. sigmoid: in [0, 1]. bounded: in [-1, 1].
    """
    low, high = outputs.min(), outputs.max()
    if low >= 0 and high <= 1:
        sums = outputs.sum(axis=1, dtype=np.float64)
        return "softmax" if np.allclose(sums, 1, atol=1e-3) else "sigmoid"
    return "bounded" if low >= -1 and high <= 1 else "logits"


def _as_logits(outputs, kind):
    """log p inverts a softmax up to a constant; log p - log(1 - p) inverts a sigmoid."""
    if kind not in PROBABILITIES:
        return outputs
    logits = tf.math.log(tf.maximum(outputs, TINY))
    if kind == "softmax":
        return logits
    return logits - tf.math.log(tf.maximum(1 - outputs, CLOSE_TO_ONE))


def _saturated(values, kind):
    """bool [b]: the images with a logarithm of one class at most."""
    if kind == "softmax":
        return np.sum(values > TINY, axis=1) <= 1
    if kind == "sigmoid":
        return ((values <= TINY) | (values >= 1 - CLOSE_TO_ONE)).all(axis=1)
    return np.zeros(len(values), bool)


def _scale(kind):
    if kind == "softmax":
        text = "the outputs are probabilities (every row sums to 1); attacked through log p"
    elif kind == "sigmoid":
        text = "all outputs lie in [0, 1], as after a sigmoid; attacked through log p - log(1 - p)"
    elif kind == "bounded":
        text = (
            "all outputs lie in [-1, 1]: after a tanh or a cosine attack the scores before it; "
            "a hardly trained network has small logits, too"
        )
    else:
        return None
    return Doubt("bounded outputs" if kind == "bounded" else "probabilities", text)


def _no_gradient(gradients, saturated):
    if saturated.any():
        return Doubt(
            "saturated probabilities",
            f"the probabilities of {of(saturated)} are 0 and 1 in float32, without a gradient: "
            "only square and transfer (--substitute) attack these; or evaluate the logits",
        )
    return zero_gradients(
        gradients,
        "of the loss: gradients are masked, or huge logits saturate the loss; compare with square "
        "and apgd-dlr",
    )


def _near_chance(outputs_fn, images, labels, values):
    right, chance = _right(values, labels), 1 / values.shape[1]
    if len(labels) < FEWEST_FOR_CHANCE or not near_chance(right, chance):
        return None
    text = (
        f"clean accuracy {100 * right.mean():.1f} % is near chance ({100 * chance:.1f} %) on "
        "images in [0, 1]"
    )
    for name, scaled in RANGES.items():
        try:
            found = outputs_fn(tf.cast(scaled(images), images.dtype)).numpy()
        except tf.errors.OpError:  # an exported model may refuse other ranges
            continue
        other = _right(found, labels)
        if not near_chance(other, max(chance, right.mean())):
            share = f"{100 * other.mean():.1f} %"
            return Doubt("near chance", f"{text}; on {name} it is {share}: input range")
    return Doubt("near chance", f"{text}: check the input range and the order of the classes")


def _right(values, labels):
    return values.argmax(axis=1) == labels
