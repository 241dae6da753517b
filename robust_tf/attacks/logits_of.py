"""The logits of any classifier: a Keras model, a SavedModel, or a function."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robust_tf.attacks import keras_graph

# What is wrong with a batch, also said by assertions.
PROBABILITIES = (
    "the classifier returns probabilities (rows are >= 0 and sum to 1); attacks need logits: leave "
    "out its last softmax, or give the function x -> log(model(x))"
)
ONE_IMAGE = "labels are an array [n]; of one image give x[None] and [y]"
WHOLE = "labels must be integers or one-hot, a single 1 in each row"
# Types that hold other numbers than int32 -> the largest number that both hold.
INT32 = 2**31 - 1
EXACT = {name: INT32 for name in ("uint32", "int64", "uint64", "float64")}
EXACT |= {"float32": 2**24, "float16": 2**11, "bfloat16": 2**8}
LABELS = "the labels must lie in 0 ... {}, the model's classes; they range from"


def logits_of(model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function images [n, ...] -> logits float [n, classes] of a classifier.

    A Keras model runs in inference mode. A softmax or sigmoid at its end is left out, with a
    warning: attacks on probabilities lose their gradient.

    Args:
        model: a `keras.Model` or a function whose output is one tensor of logits or a dict with the
            entry "logits". Or what `tf.saved_model.load` returns; its signature "serving_default"
            has one input.

    Raises:
        ValueError: none of these, or no output that can be taken for logits.
    """
    if isinstance(model, keras.Model):
        return _of_keras(model)
    if hasattr(model, "signatures"):
        return _of_saved_model(model)
    if callable(model):
        return _of_function(model)
    raise ValueError(
        "expected a keras.Model, a loaded SavedModel or a function images -> logits, got "
        f"{type(model).__name__}"
    )


def full_precision(logits: tf.Tensor) -> tf.Tensor:
    """Returns logits of 16 bits in float32, where the gradient of a confident softmax is not 0."""
    return tf.cast(logits, tf.float32) if logits.dtype.size == 2 else logits


def require_classes(logits: tf.Tensor) -> None:
    """Raises ValueError unless `logits` is [n, classes] with at least two classes."""
    if logits.shape.rank != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"the classifier must return logits [n, classes], got {logits.shape}; of a single "
            "logit z make a function that returns tf.concat([0 * z, z], axis=1); of a probability "
            "p the logit is z = log p - log(1 - p)"
        )


def mistake_of_names(y: Any) -> str:
    """Returns a sentence on labels, array, list or tensor, that are text or objects, else ""."""
    if tf.is_tensor(y):
        kind = "U" if y.dtype == tf.string else ""
    else:
        kind = np.asarray(y).dtype.kind
    if kind not in ("O", "S", "U"):
        return ""
    return (
        f"labels must be numbers, not {'objects' if kind == 'O' else 'text'}; "
        "classes, y = np.unique(y, return_inverse=True) numbers names"
    )


def label_numbers(y: Any) -> np.ndarray:
    """Returns int32 [n] of labels, int [n], [n, 1] or one-hot [n, classes], array or tensor.

    Raises:
        ValueError: no array, text, soft labels, or no whole numbers of int32.
    """
    if mistake := mistake_of_names(y):
        raise ValueError(mistake)
    labels = np.asarray(y)
    if labels.ndim == 0:
        raise ValueError(ONE_IMAGE)
    number = labels.dtype.kind in "biuf"
    if number and labels.ndim == 2 and labels.shape[1] > 1:
        if not is_one_hot(labels):
            raise ValueError(
                f"labels {list(labels.shape)} must be one-hot, a single 1 in each row; of soft "
                "labels take the likeliest class: y.argmax(axis=1)"
            )
        return labels.argmax(axis=1).astype(np.int32)
    labels = labels.reshape(-1)
    with np.errstate(invalid="ignore"):  # NaN, and what 32 bits do not hold
        numbers = labels.astype(np.int32) if number else np.zeros(0, np.int32)
    if not np.array_equal(labels, numbers):
        raise ValueError(
            f"labels must be whole numbers, got {labels[:3]} of {labels.dtype}; int32 holds them"
        )
    return numbers


def is_one_hot(labels: np.ndarray) -> bool:
    """Returns whether each row of numbers [n, classes] is a single 1 among zeros."""
    return bool(np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all())


def assert_labels(labels: tf.Tensor) -> list:
    """Asserts that a tensor [n] or [n, 1] has whole numbers, or that [n, classes] is one-hot.

    int32 must hold the numbers. A float type holds fewer: beyond 2^24 float32 has rounded, and two
    classes may have become one.

    Returns:
        List of the assertions; empty where the dtype tells, and eagerly.
    """
    if labels.shape.rank == 2 and labels.shape[1] != 1:
        ones, zeros = (
            tf.cast(labels == tf.cast(value, labels.dtype), tf.int32) for value in (1, 0)
        )
        valid = tf.reduce_all(tf.reduce_sum(ones, axis=1) == 1) & tf.reduce_all(ones + zeros == 1)
        return _asserted(valid, WHOLE)
    if labels.dtype.name not in EXACT:
        return []
    valid = tf.reduce_all(labels == tf.round(labels)) if labels.dtype.is_floating else True
    highest = EXACT[labels.dtype.name]
    within = tf.reduce_all(tf.abs(tf.cast(labels, tf.float64)) <= highest)  # false for NaN
    beyond = f"labels of {labels.dtype.name} must be within +-{highest}; number the classes from 0"
    return _asserted(valid, WHOLE) + _asserted(within, beyond)


def assert_within(values: tf.Tensor, lowest: float, highest: float, said: str) -> list:
    """Asserts that all values lie in [lowest, highest]; of NaN that is false.

    Args:
        values: tensor of numbers.
        lowest, highest: the range.
        said: words for the error; the range of the values follows them.

    Returns:
        List of the assertion; empty eagerly.
    """
    low, high = tf.reduce_min(values), tf.reduce_max(values)
    return _asserted((low >= lowest) & (high <= highest), said, low, "to", high)


def _asserted(valid, *said):
    check = tf.debugging.Assert(valid, said)
    return [] if check is None else [check]  # eager assertions are nothing


def label_tensor(y: Any) -> tf.Tensor:
    """Returns int32 [n] of labels [n], [n, 1] or one-hot [n, classes], without a check."""
    labels = tf.convert_to_tensor(y)
    if labels.shape.rank == 2 and labels.shape[1] != 1:
        return tf.argmax(labels, axis=1, output_type=tf.int32)
    return tf.reshape(tf.cast(labels, tf.int32), [-1])


def require_label_shape(y: Any, count: int, classes: int) -> None:
    """Raises ValueError unless `y` has a label for each of `count` images of `classes` classes."""
    shape = np.shape(y)
    if shape not in ((count,), (count, 1), (count, classes)):
        raise ValueError(
            f"{count} images of {classes} classes need labels [{count}] or one-hot "
            f"[{count}, {classes}], got {list(shape)}"
        )


def require_labels(labels: np.ndarray, num_classes: int) -> None:
    """Raises ValueError unless all of int [n] `labels` are among the classes of a model."""
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"{LABELS.format(num_classes - 1)} {labels.min()} to {labels.max()}")


def are_probabilities(outputs: tf.Tensor) -> tf.Tensor:
    """Returns bool [], whether all rows of float [n, d] are >= 0 and sum to 1; false of no rows."""
    outputs = tf.cast(outputs, tf.float32)
    near = tf.abs(tf.reduce_sum(outputs, axis=1) - 1.0) < 1e-3
    return tf.reduce_all(outputs >= 0) & tf.reduce_all(near) & (tf.size(near) > 0)


def refuse_probabilities(logits: tf.Tensor) -> None:
    """Raises ValueError where all rows of `logits`, float [n, classes], are probabilities."""
    if are_probabilities(logits):
        raise ValueError(PROBABILITIES)


def _logits_among(outputs):
    if isinstance(outputs, (list, tuple)):
        raise ValueError(
            f"the classifier has {len(outputs)} outputs; name them in a dict: 'logits'"
        )
    if not isinstance(outputs, dict):
        return outputs
    if "logits" in outputs or (len(outputs) == 1 and "embedding" not in outputs):
        return outputs.get("logits", next(iter(outputs.values())))
    raise ValueError(f"no output is called 'logits'; the outputs are {', '.join(outputs)}")


def _of_keras(model):
    output = keras_graph.output_of(model)
    if output is None:
        return lambda images: tf.cast(_logits_among(model(images, training=False)), tf.float32)
    if mistake := keras_graph.mistake_of_inputs(model):
        raise ValueError(mistake)
    logits = _logits_among(output)
    _, before = keras_graph.activation_at_end(logits)
    if before is not None:
        warnings.warn(
            f"{model.name} ends in probabilities; the attack takes their logits, the input of the "
            "last activation",
            stacklevel=6,
        )
        logits = before
    graph = keras.Model(model.inputs[0], logits)
    return lambda images: tf.cast(graph(images, training=False), tf.float32)


def _of_function(function):
    def logits_fn(images):
        logits = _logits_among(function(images))
        if not tf.is_tensor(logits):
            raise ValueError(
                "the function must compute with TensorFlow, for a gradient; it returned "
                f"{type(logits).__name__} (give a Keras model itself, not its predict)"
            )
        logits = full_precision(logits)
        if logits.shape.rank is None or logits.shape[1:].as_list()[-1:] == [None]:
            raise ValueError(
                "the number of classes is unknown in a graph, as after tf.numpy_function; end the "
                "function with tf.ensure_shape(logits, [None, classes])"
            )
        return logits

    return logits_fn


def _of_saved_model(loaded):
    if "serving_default" not in loaded.signatures:
        raise ValueError(
            "the SavedModel has no signature 'serving_default'; it has "
            f"{', '.join(loaded.signatures) or 'none'}"
        )
    signature = loaded.signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ValueError(f"the SavedModel takes {len(inputs)} inputs, not only images")
    ((name, spec),) = inputs.items()
    if spec.dtype != tf.float32:
        raise ValueError(f"the SavedModel takes {spec.dtype.name}, not float32 images")

    def logits_fn(images):
        # NumPy's own division of pixels gives float64.
        found = signature(**{name: tf.cast(images, tf.float32)})
        logits = full_precision(_logits_among(found))
        # A signature may have forgotten the shape that attacks need.
        return tf.ensure_shape(logits, [images.shape[0], logits.shape[-1]])

    logits_fn.loaded = loaded  # a signature does not keep its variables alive
    logits_fn.batch_size = spec.shape[0] if spec.shape.rank else None
    return logits_fn
