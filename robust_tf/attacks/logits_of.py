"""The logits of any classifier: a Keras model, a SavedModel, or a function."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

PROBABILITIES = (keras.activations.softmax, keras.activations.sigmoid)


def logits_of(model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function images [n, ...] -> logits float [n, classes] of a classifier.

    A Keras model runs in inference mode. A softmax or sigmoid at its end is left out, with a
    warning: attacks on probabilities lose their gradient.

    Args:
        model: a `keras.Model` or a function, with one tensor of logits or a dict with the entry
            "logits" as output; or a SavedModel loaded by `tf.saved_model.load`, whose signature
            "serving_default" has one input.

    Raises:
        ValueError: none of these, or no output that can be taken for logits.
    """
    if isinstance(model, keras.Model):
        return _of_keras(model)
    if hasattr(model, "signatures"):
        return _of_saved_model(model)
    if callable(model):
        return lambda images: _logits_among(model(images))
    raise ValueError(
        "expected a keras.Model, a loaded SavedModel or a function images -> logits, got "
        f"{type(model).__name__}"
    )


def refuse_probabilities(logits: tf.Tensor) -> None:
    """Raises ValueError where all rows of `logits`, float [n, classes], are probabilities."""
    sums, lowest = tf.reduce_sum(tf.cast(logits, tf.float32), axis=1), tf.reduce_min(logits)
    if lowest >= 0 and tf.reduce_all(tf.abs(sums - 1.0) < 1e-3):
        raise ValueError(
            "the classifier returns probabilities (rows are >= 0 and sum to 1); attacks need "
            "logits: leave out its last softmax"
        )


def _logits_among(outputs):
    if not isinstance(outputs, dict):
        return tf.convert_to_tensor(outputs)
    if "logits" in outputs or len(outputs) == 1:
        return outputs.get("logits", next(iter(outputs.values())))
    raise ValueError(f"no output is called 'logits'; the outputs are {', '.join(outputs)}")


def _of_keras(model):
    def logits_fn(images):
        return tf.cast(_logits_among(model(images, training=False)), tf.float32)

    if not getattr(model, "outputs", None):
        return logits_fn
    # A Sequential has outputs, but no output before it is called as a layer.
    end = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    if isinstance(end, dict):
        return logits_fn
    without = _without_probabilities(model)
    if without is None:
        return logits_fn
    warnings.warn(
        f"{model.name} ends in probabilities; the attack takes their logits, the input of the "
        "last activation",
        stacklevel=4,
    )
    return without


def _without_probabilities(model):
    """The logits before a softmax or sigmoid that ends the model; None where there is no such."""
    layer = model.outputs[0]._keras_history.operation
    activation = getattr(layer, "activation", None)
    if not isinstance(layer, keras.layers.Softmax) and activation not in PROBABILITIES:
        return None
    features = keras.Model(model.inputs, layer.input)
    if not isinstance(layer, keras.layers.Dense):
        return lambda images: tf.cast(features(images, training=False), tf.float32)

    def logits_fn(images):
        # In float32, as an output layer should be, whatever the precision before it.
        found = tf.cast(features(images, training=False), tf.float32)
        found = tf.linalg.matmul(found, tf.cast(layer.kernel, tf.float32))
        return found + tf.cast(layer.bias, tf.float32) if layer.use_bias else found

    return logits_fn


def _of_saved_model(loaded):
    if "serving_default" not in loaded.signatures:
        raise ValueError(
            "the SavedModel has no signature 'serving_default'; it has "
            f"{', '.join(loaded.signatures) or 'none'}"
        )
    signature = loaded.signatures["serving_default"]
    names = list(signature.structured_input_signature[1])
    if len(names) != 1:
        raise ValueError(f"the SavedModel takes {len(names)} inputs, not only images")

    def logits_fn(images):
        logits = _logits_among(signature(**{names[0]: images}))
        # A signature may have forgotten the shape that attacks need.
        return tf.ensure_shape(logits, [images.shape[0], logits.shape[-1]])

    logits_fn.loaded = loaded  # a signature does not keep its variables alive
    return logits_fn
