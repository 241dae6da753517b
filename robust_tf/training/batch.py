"""What a train or test step reads, from the input pipeline or from what a Keras user passes."""

import contextlib
import itertools
import threading

import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import assertion
from robust_tf.attacks.logits_of import assert_labels, assert_within, label_tensor, mistake_of_names
from robust_tf.errors import UserError


class FailedCheck(UserError):
    """An assertion about a batch that failed inside a step. The message is its line."""


@contextlib.contextmanager
def told_in_a_line():
    """Raises an assertion of a compiled step as `FailedCheck`, without the places of the graph."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if line := assertion(error):
            raise FailedCheck(line) from None
        raise


def refuse_names(labels):
    """Raises the `UserError` of labels that are no numbers; Keras speaks of its own types."""
    if mistake := mistake_of_names(labels):
        raise UserError(mistake)


def refuse_empty(images):
    """Raises the `UserError` of an array without images; Keras trains on none and only warns."""
    shape = getattr(images, "shape", None)
    if shape and shape[0] == 0:
        raise UserError(f"there are no images: x has the shape {tuple(shape)}")


def unpack(data, step, dtype, classes=None):
    """Returns a batch as dict.

    Args:
        data: dict of the pipeline. Or what a plain `fit` has: (images, labels), (images, labels,
            sample weights), or a dict of image, label and perhaps sample_weight. Labels are
            integers [B] or [B, 1], or one-hot [B, classes].
        step: number of the update, an integer tensor; a pipeline's batch has its own.
        dtype: dtype of the images.
        classes: number of classes. None: labels are any integers.

    Returns:
        dict: image, float [B, h, w, c] in [0, 1]; label, int32 [B]; step, int64 [1] or [B]. target
        has the labels as they came. A plain `fit` adds sample_weight, float [B], where it is given,
        and plain=True.

    Raises:
        UserError: no labels, labels that are text, one-hot labels of other classes, another number
            of labels than of images, or entries of other names.
        tf.errors.InvalidArgumentError: images outside [0, 1]; labels neither integer nor one-hot,
            or of no class.
    """
    if not (isinstance(data, dict) and "step" in data):
        data = _plain(data, step)
    images, labels = tf.cast(data["image"], dtype), _integers(data["label"], classes)
    if not images.shape[:1].is_compatible_with(labels.shape[:1]):
        raise UserError(
            f"{images.shape[0]} images have {labels.shape[0]} labels; if this is one image, "
            "dataset.batch(32) makes batches"
        )
    with tf.control_dependencies(_check(images, labels, classes)):
        # Else a kernel may meet such a label before the check does.
        images, labels = tf.identity(images), tf.identity(labels)
    return {**data, "image": images, "label": labels, "target": data["label"]}


def checked_images(data):
    """Returns the images of what `unpack` takes, with its check of them; labels may be missing.

    Raises:
        UserError, tf.errors.InvalidArgumentError: as `unpack`.
    """
    images = tf.convert_to_tensor(parts_of(data)[0])
    with tf.control_dependencies(_check(images)):
        return tf.identity(images)


def check_arrays(x, y=None, classes=None):
    """Makes the checks of `unpack` on all images of a `fit` at once, where they are arrays.

    Args:
        x: images, or a dict of image and label. All else is not checked, see `checked`.
        y: labels beside images.
        classes: see `unpack`.

    Raises:
        tf.errors.InvalidArgumentError: as `unpack`.
    """
    images, labels, _ = parts_of(x if isinstance(x, dict) else (x, y))
    if isinstance(images, (np.ndarray, tf.Tensor)):
        with tf.device("cpu"):  # all images at once may be more than a GPU holds
            _check(images, labels, classes)


def checked(batches, classes=None):
    """Returns a `tf.data.Dataset` of what `unpack` takes, with the checks of `unpack`.

    Args:
        batches: `tf.data.Dataset`.
        classes: see `unpack`.

    Raises:
        tf.errors.InvalidArgumentError: as `unpack`, from the dataset's iterator.
    """

    @tf.autograph.experimental.do_not_convert  # AutoGraph adds places of the code to a UserError
    def checked_batch(*batch):
        batch = batch[0] if len(batch) == 1 else batch
        images, labels, _ = parts_of(batch)
        with tf.control_dependencies(_check(images, labels, classes)):
            return tf.nest.map_structure(tf.identity, batch)

    return batches.map(checked_batch)


def drawn_twice(batches, ran):
    """Returns two generators of the batches of a generator, each from the first batch.

    Keras draws ahead, in a thread that may outlive its `fit`. Once the second generator has begun,
    the first has ended.

    Args:
        batches: generator.
        ran: function of nothing to bool, whether a step has run. Then no batch is kept: the second
            generator will not be needed.
    """
    kept, lock, over = [], threading.Lock(), threading.Event()

    def first():
        while True:
            with lock:
                batch = None if over.is_set() else next(batches, None)
                if batch is None:
                    return
                if ran():
                    kept.clear()
                else:
                    kept.append(batch)
            yield batch

    def second():
        with lock:
            over.set()
        yield from itertools.chain(kept, batches)

    return first(), second()


def _plain(data, step):
    images, labels, weights = parts_of(data)
    if labels is None:
        raise UserError("a defense needs labels: fit(images, labels)")
    batch = {"image": images, "label": labels, "step": tf.cast(step, tf.int64)[None], "plain": True}
    return batch if weights is None else {**batch, "sample_weight": tf.reshape(weights, [-1])}


def parts_of(data):
    """Returns images, labels or None, sample weights or None, of what a plain `fit` has.

    As in Keras a list of one tensor stands for the tensor.

    Raises:
        UserError: a batch with entries of other names, or with several tensors for images.
    """
    if isinstance(data, dict) and ({"image", "label"} <= data.keys() or [*data] == ["image"]):
        return data["image"], data.get("label"), data.get("sample_weight")
    parts = (*data, None, None)[:3] if isinstance(data, (list, tuple)) else (data, None, None)
    if isinstance(parts[0], (list, tuple)) and len(parts[0]) == 1:  # all inputs of a network
        parts = (*parts[0], *parts[1:])
    for part in parts:
        if isinstance(part, (dict, list, tuple)):
            names = f" with the entries {', '.join(part)}" if isinstance(part, dict) else ""
            raise UserError(
                "a batch is (images, labels), two tensors, or a dict with the entries image and "
                f"label; this one has a {type(part).__name__}{names}"
            )
    return parts


def _integers(labels, classes=None):
    """int32 [B] of labels [B], [B, 1] or one-hot [B, classes]."""
    refuse_names(labels)
    labels = tf.convert_to_tensor(labels)  # `train_on_batch` with run_eagerly=True has an array
    if labels.shape.rank == 0:
        raise UserError("this is one image, and a step takes a batch: dataset.batch(32) makes them")
    if labels.shape.rank is None:
        raise UserError(
            "the labels of this dataset have no shape; give output_signature= to from_generator, "
            "or call labels.set_shape([None]) in a map"
        )
    assert_labels(labels)
    if classes and labels.shape.rank == 2 and labels.shape[1] not in (1, classes, None):
        raise UserError(f"one-hot labels of {labels.shape[1]} classes; the network has {classes}")
    return label_tensor(labels)


def _check(images, labels=None, classes=None):
    """Stops on images that no attack could have started from, and on labels of no class.

    A cross entropy on a GPU makes NaN of such a label, without a word.
    """
    said, checks = "{}; this batch ranges from", []
    if images.dtype != bool:  # which has no order, and no other values
        checks = assert_within(images, 0, 1, said.format("images must be finite and in [0, 1]"))
    if labels is None or not classes:
        return checks
    last = classes - 1
    return checks + assert_within(
        _integers(labels, classes), 0, last, said.format(f"labels must be 0 to {last}")
    )
