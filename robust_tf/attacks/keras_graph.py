"""The graph of a Keras model: its output, its end, and the tensor before a softmax or sigmoid."""

import keras
import tensorflow as tf

from robust_tf.attacks.pre_activation import PreActivation

PROBABILITIES = ("softmax", "sigmoid")


def output_of(model):
    """Returns the symbolic output of a model, a tensor or a structure of several.

    None for a model without a graph: a `Sequential` without shapes, or a subclass of `keras.Model`
    with its own call. Such a call may do more than its graph.
    """
    if not getattr(model, "outputs", None):
        return None
    caller = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    if not caller.__module__.startswith("keras."):
        return None
    # A Sequential has an output of its own only after it was called as a layer, and then another's.
    output = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    single = isinstance(output, (list, tuple)) and len(output) == 1
    return output[0] if single else output


def mistake_of_inputs(model):
    """Returns a sentence on the inputs of a graph that is no network, "" for one float input."""
    if len(model.inputs) > 1:
        return f"{model.name} has {len(model.inputs)} inputs; a network has images"
    dtype = tf.as_dtype(model.inputs[0].dtype)
    if dtype.is_floating:
        return ""
    return (
        f"{model.name} takes {dtype.name} images, which have no gradient; build it with a float32 "
        "input: keras.Input(shape)"
    )


def operation_of(tensor):
    """Returns the operation that made a symbolic tensor."""
    return tensor._keras_history.operation


def source_of(tensor):
    """Returns the only input of the operation that made a tensor; None where it has several."""
    operation, node, _ = tensor._keras_history
    inputs = operation._inbound_nodes[node].input_tensors
    return inputs[0] if len(inputs) == 1 else None


def full_precision_of(tensor):
    """Returns the dtype of an output: float32 for one of 16 bits."""
    return "float32" if tensor.dtype in ("float16", "bfloat16") else tensor.dtype


def activation_at_end(tensor):
    """Returns (name of `PROBABILITIES` that a tensor comes out of, or "", the tensor before it).

    The tensor before is None where the activation cannot be taken apart from its layer. Linear
    activations behind it, as mixed precision needs them, are passed over.
    """
    tensor = _before_linear(tensor)
    operation, source = operation_of(tensor), source_of(tensor)
    if output_of(operation) is not None:  # a model that is the last layer of another
        name, before = activation_at_end(_output_of_nested(tensor))
        return name, before if before is None else keras.Model(operation.inputs, before)(source)
    name = _activation_of(operation)
    if name not in PROBABILITIES:
        return "", None
    if _is_plain_dense(operation):
        return name, PreActivation(operation, dtype=full_precision_of(tensor))(source)
    alone = isinstance(operation, (keras.layers.Activation, keras.layers.Softmax))
    # An operation that is no layer is a function of `keras.ops`.
    return name, source if alone or not isinstance(operation, keras.Layer) else None


def end_of(tensor):
    """Returns the last operation behind a tensor that is neither linear nor a model of layers."""
    tensor = _before_linear(tensor)
    operation = operation_of(tensor)
    return operation if output_of(operation) is None else end_of(_output_of_nested(tensor))


def _before_linear(tensor):
    while _is_linear(operation_of(tensor)):
        tensor = source_of(tensor)
    return tensor


def _output_of_nested(tensor):
    """What a tensor is in the model, a layer of another, that made it."""
    return operation_of(tensor).outputs[tensor._keras_history.tensor_index]


def _is_linear(operation):
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.linear
    return isinstance(operation, keras.layers.Identity)


def _is_plain_dense(operation):
    """Whether x W + b is all that comes before the activation."""
    quantized = getattr(operation, "quantization_mode", None)
    return type(operation) is keras.layers.Dense and quantized is None


def _activation_of(operation):
    activation = getattr(operation, "activation", None)
    name = getattr(activation, "__name__", "") if activation else type(operation).__name__.lower()
    return name.removesuffix("_v2")  # `tf.nn.softmax` has this name
