"""Any Keras model as a network of this library: images in [0, 1] in, named full-precision outputs.

The result is a functional graph over the layers of the given model. Both share their weights.
"""

import warnings

import keras

from robust_tf.errors import UserError
from robust_tf.models.pre_activation import PreActivation
from robust_tf.models.unit_length import UnitLength

UNIT_RANGE = (0.0, 1.0)
PENULTIMATE = "penultimate"


def as_classifier(network, *, embedding=None, input_range=UNIT_RANGE):
    """Returns a classifier as `keras.Model`: images [B, h, w, c] in [0, 1] to a dict.

    The dict has "logits" [B, classes]. It has "embedding" [B, d] where the network has a last dense
    layer, or where a layer is named.

    Args:
        network: `keras.Model` with the logits as its only output, or with an output "logits". A
            softmax at the end is left out, with a warning.
        embedding: name of the layer whose output is the embedding, or "logits". None or
            "penultimate": the output "embedding", or the input of the last dense layer.
        input_range: the values that the network expects for pixels 0 and 1, such as (0, 255).

    Raises:
        UserError: the network has no logits that can be found, or no such layer.
    """
    network = _functional(network)
    outputs = _outputs(network, "logits")
    found = {"logits": _logits(outputs["logits"], network.name)}
    _require_rows(found["logits"], network, "logits")
    if found["logits"].shape[-1] < 2:
        raise UserError(
            f"{network.name} has one output; a classifier needs a logit for each class: Dense(2) "
            "for two classes, with labels 0 and 1"
        )
    if embedding == "logits":
        found["embedding"] = found["logits"]
    elif embedding not in (None, PENULTIMATE):
        found["embedding"] = _layer_output(network, embedding)
    elif "embedding" in outputs:
        found["embedding"] = outputs["embedding"]
    elif (features := _before_last_dense(found["logits"])) is not None:
        found["embedding"] = features
    return _graph(network, outputs, found, input_range)


def as_embedding(network, *, embedding=None, input_range=UNIT_RANGE):
    """Returns an embedding network as `keras.Model`: images [B, h, w, c] in [0, 1] to a dict.

    The dict has "embedding" [B, d], divided by its length unless the network does so.

    Args:
        network: `keras.Model` with the embedding as its only output, or with an output "embedding".
        embedding: name of the layer whose output is the embedding. None: the output.
        input_range: see `as_classifier`.

    Raises:
        UserError: the network ends in something else than an embedding, or has no such layer.
    """
    network = _functional(network)
    if embedding is None:
        outputs = _outputs(network, "embedding")
        if isinstance(network.output, dict):
            return _graph(network, outputs, {"embedding": outputs["embedding"]}, input_range)
        vector = outputs["embedding"]
        if _ends_in("softmax", vector):
            raise UserError(
                f"{network.name} ends in a softmax, not in an embedding: name the layer with "
                "embedding=, or build it with include_top=False, pooling='avg'"
            )
    else:
        outputs, vector = {}, _layer_output(network, embedding)
    _require_rows(vector, network, "embedding")
    if not isinstance(_operation(vector), (UnitLength, keras.layers.UnitNormalization)):
        vector = UnitLength(dtype=_full(vector))(vector)
    return _graph(network, outputs, {"embedding": vector}, input_range)


def with_vector(network):
    """Returns an embedding network with the further output "vector", not divided by its length.

    Args:
        network: result of `as_embedding`.

    Raises:
        UserError: the network does not end in a division by the length.
    """
    unit = network.output["embedding"]
    if not isinstance(_operation(unit), (UnitLength, keras.layers.UnitNormalization)):
        raise UserError(f"{network.name} does not end in UnitLength: it has no other vector")
    return keras.Model(
        network.inputs[0], {**network.output, "vector": _source(unit)}, name=network.name
    )


def _functional(network):
    """The network as a graph: a `Sequential` as its layers, a subclass of `Model` as one layer."""
    if not isinstance(network, keras.Model):
        raise UserError(f"a network is a keras.Model, not {type(network).__name__}")
    if isinstance(network, keras.Sequential) and network.built:
        return keras.Model(network.inputs[0], network.outputs[0], name=network.name)
    if getattr(network, "inputs", None):
        return network
    shape = (network.get_build_config() or {}).get("input_shape") if network.built else None
    if shape is None:
        raise UserError(
            f"{network.name} does not know its image shape: begin the Sequential with "
            "keras.Input(shape), or call the model once on a batch"
        )
    image = keras.Input(shape[1:], name="image")
    return keras.Model(image, network(image), name=network.name)


def _outputs(network, name):
    """The symbolic outputs of a graph as a dict; a single tensor is called `name`."""
    if len(network.inputs) > 1:
        raise UserError(f"{network.name} has {len(network.inputs)} inputs; a network has images")
    output = network.output
    if isinstance(output, dict):
        if name not in output:
            raise UserError(f"{network.name} has the outputs {', '.join(output)}, but no {name!r}")
        return output
    if isinstance(output, (list, tuple)):
        raise UserError(f"{network.name} has {len(output)} outputs; name them in a dict: {name!r}")
    nested = _operation(output)
    if name == "logits" and getattr(nested, "inputs", None):
        return as_classifier(nested)(_source(output))
    return {name: output}


def _operation(tensor):
    return tensor._keras_history.operation


def _source(tensor):
    """The only input of the operation that made a tensor; None where it has no or several."""
    operation, node, _ = tensor._keras_history
    inputs = operation._inbound_nodes[node].input_tensors
    return inputs[0] if len(inputs) == 1 else None


def _full(tensor):
    """The dtype of an output: float32 for one of 16 bits."""
    return "float32" if tensor.dtype in ("float16", "bfloat16") else tensor.dtype


def _ends_in(function, tensor):
    """Whether a tensor comes out of the activation `function`, "softmax" or "sigmoid"."""
    operation = _operation(tensor)
    activation = getattr(operation, "activation", None)
    return function in (getattr(activation, "__name__", ""), type(operation).__name__.lower())


def _logits(tensor, name):
    """The tensor before a softmax at the end."""
    if _ends_in("sigmoid", tensor):
        raise UserError(
            f"{name} ends in a sigmoid; an image has one class of several here: end in "
            "Dense(classes) without activation"
        )
    if not _ends_in("softmax", tensor):
        return tensor
    operation = _operation(tensor)
    if isinstance(operation, keras.layers.Dense):
        logits = PreActivation(operation)(_source(tensor))
    elif getattr(operation, "kernel", None) is None:
        logits = _source(tensor)
    else:
        raise UserError(f"the layer {operation.name} of {name} must end without its softmax")
    warnings.warn(
        f"the softmax at the end of {name} is left out: attacks and losses need logits",
        stacklevel=2,
    )
    return logits


def _before_last_dense(tensor):
    """The input [B, d] of the last dense layer on the way to a tensor; None without one."""
    while tensor is not None:
        operation = _operation(tensor)
        tensor = _source(tensor)
        if isinstance(operation, (keras.layers.Dense, PreActivation)):
            return tensor
    return None


def _layer_output(network, name):
    names = [layer.name for layer in network.layers]
    if name not in names:
        raise UserError(
            f"{network.name} has no layer {name!r}; its last layers are {', '.join(names[-5:])}"
        )
    output = network.get_layer(name).output
    _require_rows(output, network, f"layer {name}")
    return output


def _require_rows(tensor, network, name):
    if len(tensor.shape) != 2 or tensor.shape[-1] is None:
        raise UserError(
            f"{network.name}: its {name} must be [batch, n], not {tuple(tensor.shape)}; pool or "
            "flatten what comes before (keras.applications: pooling='avg')"
        )


def _graph(network, outputs, found, input_range):
    """The network with the outputs that were found, in full precision; itself if it has them."""
    whole = {
        name: tensor
        if tensor.dtype == _full(tensor)
        else keras.layers.Activation("linear", dtype=_full(tensor))(tensor)
        for name, tensor in found.items()
    }
    same = isinstance(network.output, dict) and all(
        outputs.get(name) is tensor for name, tensor in whole.items()
    )
    if not same:
        network = keras.Model(network.inputs[0], whole, name=network.name)
    if tuple(input_range) == UNIT_RANGE:
        return network
    low, high = input_range
    image = keras.Input(network.input_shape[1:], name="image")
    scaled = keras.layers.Rescaling(high - low, offset=low, dtype="float32")(image)
    return keras.Model(image, network(scaled), name=network.name)
