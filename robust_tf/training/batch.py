"""What a train or test step reads, from the input pipeline or from what a Keras user passes."""

import numpy as np
import tensorflow as tf

from robust_tf.errors import UserError


def unpack(data, step, dtype):
    """Returns a batch as dict.

    Args:
        data: dict of the pipeline, or (images, labels) or (images, labels, sample weights) of a
            plain `fit`. Labels are integers [B] or [B, 1], or one-hot [B, classes].
        step: number of the update, an integer tensor; a pipeline's batch has its own.
        dtype: dtype of the images.

    Returns:
        dict with image, float [B, h, w, c] in [0, 1]; label, int32 [B]; step, int64 [1] or [B];
        target, the labels as they came. A plain `fit` adds sample_weight, float [B], where it is
        given, and plain=True.

    Raises:
        UserError: no labels.
        tf.errors.InvalidArgumentError: images outside [0, 1], labels neither integer nor one-hot.
    """
    if not isinstance(data, dict):
        data = _plain(data, step)
    images = tf.cast(data["image"], dtype)
    _check_range(images)
    return {
        **data,
        "image": images,
        "label": _integers(data["label"]),
        "target": data["label"],
    }


def checked(x):
    """Returns what `fit` takes as x, with the check of the range in the input pipeline.

    XLA leaves assertions out of a compiled step.

    Args:
        x: images, or a `tf.data.Dataset` of what `unpack` takes. All else is not checked.

    Raises:
        tf.errors.InvalidArgumentError: images outside [0, 1].
    """
    if isinstance(x, (np.ndarray, tf.Tensor)):
        with tf.device("cpu"):  # all images at once may be more than a GPU holds
            _check_range(x)
    if not isinstance(x, tf.data.Dataset):
        return x

    def checked_batch(*batch):
        batch = batch[0] if len(batch) == 1 else batch
        images = batch["image"] if isinstance(batch, dict) else tf.nest.flatten(batch)[0]
        with tf.control_dependencies([_check_range(images)]):
            return tf.nest.map_structure(tf.identity, batch)

    return x.map(checked_batch)


def _plain(data, step):
    images, labels, weights = (
        (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, 0)
    )
    if labels is None:
        raise UserError("a defense needs labels: fit(images, labels)")
    batch = {"image": images, "label": labels, "step": tf.cast(step, tf.int64)[None], "plain": True}
    return batch if weights is None else {**batch, "sample_weight": tf.reshape(weights, [-1])}


def _integers(labels):
    """int32 [B] of labels [B], [B, 1] or one-hot [B, classes]."""
    labels = tf.convert_to_tensor(labels)  # `train_on_batch` with run_eagerly=True has an array
    if labels.shape.rank != 2 or labels.shape[1] == 1:
        return tf.reshape(tf.cast(labels, tf.int32), [-1])
    ones = tf.cast(labels == tf.ones_like(labels), tf.int32)
    zeros = tf.cast(labels == tf.zeros_like(labels), tf.int32)
    one_hot = (tf.reduce_sum(ones, axis=1) == 1) & tf.reduce_all(ones + zeros == 1, axis=1)
    tf.debugging.Assert(tf.reduce_all(one_hot), ["labels must be integers or one-hot"])
    return tf.argmax(labels, axis=1, output_type=tf.int32)


def _check_range(images):
    """Stops on images that no attack of the threat model could have started from."""
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    return tf.debugging.Assert(
        tf.logical_and(low >= 0, high <= 1),  # false for NaN
        ["images must be finite and in [0, 1]; this batch ranges from", low, "to", high],
    )
