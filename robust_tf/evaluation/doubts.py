"""Doubts that every evaluation can raise from a few images: gradients and repeated passes.

Sources: Athalye et al. 2018, Obfuscated gradients; Carlini et al. 2019, On evaluating adversarial
robustness.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.stats import binomtest

from robust_tf.attacks.objective import NetworkObjective
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.threat_model import format_magnitude

# Images that are looked at; fewer than a batch of most attacks.
IMAGES = 100
# Along the sign of a gradient: shorter than any common eps, longer than rounding.
SHORT_STEP = 2 / 255
# Of a value: float32 and the sums inside a network lose less.
ROUNDING = 1e-4
# So many images say nothing about a network.
FEW = 4
# Of a batch in another order and size; more than rounding, even in bfloat16.
SAME_OUTPUTS = 0.05
# The usual input ranges of networks, as functions of images in [0, 1].
RANGES = {"[0, 255]": lambda x: 255 * x, "[-1, 1]": lambda x: 2 * x - 1}


class Doubt(NamedTuple):
    """A reason not to believe the numbers: a short name, and a line that says what to do."""

    name: str
    message: str


def looked_at(count, batch_size, fixed_size=False):
    """Returns int [b], the rows to look at, see `spread_rows`."""
    wanted = batch_size if fixed_size else min(IMAGES, batch_size, count)
    return np.resize(spread_rows(np.arange(count), wanted), wanted)


def input_gradients(outputs_fn, values_fn, images):
    """Returns the outputs, the values [b], and their input gradients [b, h, w, c].

    An attack has the same gradients, see `Objective.differentiate`: zero where a value does not
    depend on the images. None means that the outputs cannot be differentiated, so no attack with
    gradients can run; then the values are None, too.

    Args:
        outputs_fn: images [b, h, w, c] to outputs [b, d].
        values_fn: those outputs to float [b]; their sum is differentiated.
        images: float [b, h, w, c].
    """
    seen = []

    def valued(outputs):
        values = values_fn(outputs)
        seen.append(outputs)
        return values

    try:
        return NetworkObjective(outputs_fn, valued).differentiate(images)
    except (LookupError, tf.errors.OpError, TypeError, ValueError):
        if not seen:  # the outputs themselves are wrong
            raise
        return seen[0], None, None


def zero_gradients(gradients, advice):
    """Returns the `Doubt` of images without a usable gradient, None if all have one.

    Args:
        gradients: [b, h, w, c] or None, see `input_gradients`.
        advice: str, the end of the message: what the gradient is of, and what to do.
    """
    if gradients is None:
        return None
    largest = np.abs(gradients.numpy()).reshape(len(gradients), -1).max(1)
    bad = ~np.isfinite(largest) | (largest == 0)
    if not bad.any():
        return None
    return Doubt("zero gradients", f"{of(bad)} have a zero or non-finite gradient {advice}")


def misleading_gradients(outputs_fn, values_fn, images, looked, unsteadiness, fixed_size=False):
    """Returns the `Doubt` of values that fall along their gradients, or None.

    The gradient of a masked network points elsewhere. One forward pass of half of the images, after
    a short step along its sign, shows it. A value that stays misleads nobody: a layer that rounds
    may hide a short step. Nor does a flat one, whose fall is rounding.

    Args:
        outputs_fn, values_fn, images: see `input_gradients`.
        looked: what it returned.
        unsteadiness: `Doubt` or None, see `unsteady`; such outputs rise and fall by themselves.
        fixed_size: whether the network accepts batches of this size only.
    """
    outputs, before, gradients = looked
    if gradients is None or unsteadiness is not None:
        return None
    count = len(images) if fixed_size else max(len(images) // 2, 1)
    # An exported model may refuse NaN: an image without a finite gradient stays.
    signs = tf.sign(tf.where(tf.math.is_finite(gradients), gradients, 0))
    moved = tf.clip_by_value(images + SHORT_STEP * signs, 0, 1)
    pixels = list(range(1, images.shape.rank))
    foretold = tf.reduce_sum(gradients * (moved - images), pixels).numpy()[:count]
    shown = tf.concat([outputs_fn(moved[:count]), outputs[count:]], axis=0)
    before, after = before.numpy()[:count], values_fn(shown).numpy()[:count]
    steep = np.isfinite(foretold) & (foretold > ROUNDING * np.maximum(np.abs(before), 1))
    wrong = steep & (after < before)
    if wrong.sum() <= max(steep.sum() / 2, FEW):
        return None
    return Doubt(
        "misleading gradients",
        f"in {of(wrong[steep])} a step of {format_magnitude(SHORT_STEP)} along the gradient "
        "lowers its value: gradients are masked; only attacks without gradients mean anything",
    )


def unsteady(outputs_fn, images, values, fixed_size=False):
    """Returns the `Doubt` of a network that gives the same images other outputs, or None.

    Two passes over half of the images, in another order, show random outputs and outputs that
    depend on the batch.

    Args:
        outputs_fn: images [b, h, w, c] to outputs [b, d].
        images: float [b, h, w, c].
        values: float array [b, d], the outputs of all images together.
        fixed_size: whether the network accepts batches of this size only.
    """
    rows = np.arange(len(values))[::-1]
    rows = rows if fixed_size else rows[: max(len(rows) // 2, 1)]
    shown = tf.gather(images, rows)
    first, second = (outputs_fn(shown).numpy() for _ in range(2))
    random = (first != second).any(axis=1)
    if random.any():
        return Doubt(
            "random outputs",
            f"two passes over the same batch differ in {of(random)}: the network is random; "
            "numbers of attacks that do not average many passes (EOT, as rand does) are too high",
        )
    scale = max(values.std(), 1e-12)
    other = (np.abs(first - values[rows]) > SAME_OUTPUTS * scale).any(axis=1)
    if not other.any():
        return None
    return Doubt(
        "outputs depend on the batch",
        f"in another order and batch size {of(other)} get other outputs: is batch normalisation "
        "in training mode? No number of this network means anything",
    )


def near_chance(correct, chance):
    """Returns whether bool [n] `correct` may be guesses that are correct with probability `chance`.

    The test is binomial, one-sided, at the level of 1 %.
    """
    count = int(correct.sum())
    return binomtest(count, len(correct), chance, alternative="greater").pvalue > 0.01


def of(chosen):
    """Returns bool [b] as words: how many of how many images."""
    return f"{chosen.sum()} of {len(chosen)} images"
