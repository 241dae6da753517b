"""Batches of pairs for metric learning (HM): every image with another one of its class."""

import tensorflow as tf

from robust_tf.data.class_balanced import SameClass
from robust_tf.data.epoch_order import stream_index
from robust_tf.data.pipeline import pixel_lookup, prefetched, to_float
from robust_tf.randomness import key, uniform


def pair_dataset(examples, info, *, batch_size, seed, start_step=0, stop_step, replays=1):
    """Returns the training batches of the steps start_step..stop_step-1 as a tf.data.Dataset.

    Each element is a dict of B = batch_size rows in the order a0, p0, a1, p1, ... Every even slice
    of it holds whole pairs:
        image: float32 [B, h, w, c] in [0, 1], and label: int32 [B].
        step: int64 [B], all equal, the step this batch belongs to.

    Every image is an anchor once per epoch. Its partner is drawn from its class, uniformly and with
    replacement: it may be the image itself, with a crop and flip of its own. Batches are a pure
    function of seed and step.

    Args:
        examples: Examples of the training split.
        info: DatasetInfo, for the augmentation.
        batch_size: images of the global batch, two per pair, so even.
        seed: int, the seed of the run.
        start_step: first step.
        stop_step: one past the last step.
        replays: how many steps in a row get the same images.
    """
    fetch = pixel_lookup(examples)
    labels = tf.constant(examples.labels)
    same_class = SameClass(examples.labels)
    pairs = batch_size // 2

    def batch(number):
        step = number // replays
        position = step * pairs + tf.range(pairs, dtype=tf.int64)
        anchor = stream_index(position, len(examples), seed=seed, purpose="anchor")
        noise = uniform([pairs], key(seed, step, "partner"), dtype=tf.float64)
        partner = same_class.partner_index(anchor, noise)
        index = tf.reshape(tf.stack([anchor, partner], axis=1), [batch_size])
        pixels = info.augment(fetch(index), key(seed, step, "augment pairs"))
        return {
            "image": to_float(pixels),
            "label": tf.gather(labels, index),
            "step": tf.fill([batch_size], number),
        }

    return prefetched(tf.data.Dataset.range(start_step, stop_step), batch)
