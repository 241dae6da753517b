"""Any Keras model as a network of this library: images in [0, 1] in, named full-precision outputs.

The result is a functional graph over the layers of the given model. Both share their weights.
"""

import warnings

import keras
import tensorflow as tf

from robust_tf.attacks.keras_graph import (
    activation_at_end,
    end_of,
    full_precision_of,
    mistake_of_inputs,
    operation_of,
    output_of,
    source_of,
)
from robust_tf.attacks.logits_of import are_probabilities
from robust_tf.attacks.pre_activation import PreActivation
from robust_tf.errors import UserError
from robust_tf.models.unit_length import UnitLength
from robust_tf.settings import value_range

UNIT_RANGE = (0.0, 1.0)
PENULTIMATE = "penultimate"
UNIT_LENGTH = (UnitLength, keras.layers.UnitNormalization)
ANY_SIDE = 96  # of a network that takes images of any size; some have no output for less than 75


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
        ValueError: `input_range` is no two numbers, the lower one first.
    """
    network = functional(network)
    outputs = _outputs(network, "logits")
    found = {"logits": _logits(outputs["logits"], network)}
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

    The dict has "embedding" [B, d], divided by its length unless the network does so in 32 bits.

    Args:
        network: `keras.Model` with the embedding as its only output, or with an output "embedding".
        embedding: name of the layer whose output is the embedding. None: the output.
        input_range: see `as_classifier`.

    Raises:
        UserError: the network ends in something else than an embedding, or has no such layer.
        ValueError: see `as_classifier`.
    """
    network = functional(network)
    if embedding is None:
        outputs = _outputs(network, "embedding")
        vector = outputs["embedding"]
        if activation_at_end(vector)[0] == "softmax":
            raise UserError(
                f"{network.name} ends in a softmax, not in an embedding: name the layer with "
                "embedding=, or build it with include_top=False, pooling='avg'"
            )
    else:
        outputs, vector = {}, _layer_output(network, embedding)
    _require_rows(vector, network, "embedding")
    _refuse_hidden_softmax(vector, network, "an embedding")
    unit, dtype = isinstance(operation_of(vector), UNIT_LENGTH), full_precision_of(vector)
    if not unit or vector.dtype != dtype:  # a length of 16 bits is 1 up to 1 / 256
        vector = UnitLength(dtype=dtype)(source_of(vector) if unit else vector)
    return _graph(network, outputs, {"embedding": vector}, input_range)


def with_vector(network):
    """Returns an embedding network with the further output "vector", not divided by its length.

    Args:
        network: result of `as_embedding`.

    Raises:
        UserError: the network does not end in a division by the length.
    """
    unit = network.output["embedding"]
    if not isinstance(operation_of(unit), UNIT_LENGTH):
        raise UserError(f"{network.name} does not end in UnitLength: it has no other vector")
    return keras.Model(
        network.inputs[0], {**network.output, "vector": source_of(unit)}, name=network.name
    )


def functional(network):
    """Returns a `keras.Model` as a graph; a subclass of `keras.Model` becomes one layer of it.

    Raises:
        UserError: no `keras.Model`, or one that does not know the shape of its images.
    """
    if not isinstance(network, keras.Model):
        kind = type(network)
        raise UserError(f"a network is a keras.Model, not {kind.__name__} of {kind.__module__}")
    output = output_of(network)
    if output is not None:
        if mistake := mistake_of_inputs(network):
            raise UserError(mistake)
        image = network.inputs[0]
        if not isinstance(network, keras.Sequential) and network.input is image:
            return network
        return keras.Model(image, output, name=network.name)
    shape = network.inputs[0].shape if getattr(network, "inputs", None) else None
    if shape is None and network.built:
        shape = (network.get_build_config() or {}).get("input_shape")
    if isinstance(shape, dict):
        raise UserError(f"{network.name} takes a dict, not a tensor of images")
    if shape is None:
        raise UserError(
            f"{network.name} does not know its image shape: begin the Sequential with "
            "keras.Input(shape), or call the model once on a batch"
        )
    image = keras.Input(shape[1:], name="image")
    return keras.Model(image, network(image), name=network.name)


def _outputs(network, name):
    """The symbolic outputs of a graph as a dict; a single tensor is called `name`."""
    output = network.output
    if isinstance(output, dict):
        if name not in output:
            raise UserError(f"{network.name} has the outputs {', '.join(output)}, but no {name!r}")
        return output
    if isinstance(output, (list, tuple)):
        raise UserError(f"{network.name} has {len(output)} outputs; name them in a dict: {name!r}")
    nested = operation_of(output)
    if name == "logits" and output_of(nested) is not None:
        return as_classifier(nested)(source_of(output))
    return {name: output}


def _logits(tensor, network):
    """The tensor before a softmax at the end."""
    activation, before = activation_at_end(tensor)
    if activation == "sigmoid":
        raise UserError(
            f"{network.name} ends in a sigmoid; an image has one class of several here: end in "
            "Dense(classes) without activation"
        )
    if not activation:
        _refuse_hidden_softmax(tensor, network, "logits")
        return tensor
    if before is None:
        layer = operation_of(tensor).name
        raise UserError(f"the layer {layer} of {network.name} must end without its softmax")
    warnings.warn(
        f"the softmax at the end of {network.name} is left out: attacks and losses need logits",
        stacklevel=3,
    )
    return before


def _refuse_hidden_softmax(tensor, network, wanted):
    """Raises the UserError of probabilities that the outputs of random images show.

    No graph shows the softmax in code of the user, in a wrapper, or before a `Reshape`.
    """
    end = end_of(tensor)
    own = type(end).__module__.split(".")[0] not in ("keras", "robust_tf")
    linear = getattr(end, "activation", None) is keras.activations.linear
    if not own and (linear or isinstance(end, (PreActivation, *UNIT_LENGTH))):
        return
    image = network.inputs[0]
    shape = [image.shape[0] or 2, *(side or ANY_SIDE for side in image.shape[1:])]
    images = tf.random.stateless_uniform(shape, [0, 0])
    if are_probabilities(keras.Model(image, tensor)(images, training=False)):
        raise UserError(
            f"{network.name} returns probabilities (rows are >= 0 and sum to 1), not {wanted}: "
            "return what comes before its softmax"
        )


def _before_last_dense(tensor):
    """The input [B, d] of the last dense layer on the way to a tensor; None without one."""
    while tensor is not None:
        operation = operation_of(tensor)
        tensor = source_of(tensor)
        if isinstance(operation, (keras.layers.Dense, PreActivation)):
            return tensor if tensor is not None and len(tensor.shape) == 2 else None
    return None


def _layer_output(network, name):
    names = [layer.name for layer in network.layers]
    if name not in names:
        raise UserError(
            f"{network.name} has no layer {name!r}; its last layers are {', '.join(names[-5:])}"
        )
    layer = network.get_layer(name)
    nodes = [node for found in network._nodes_by_depth.values() for node in found]
    # The layer may be in other graphs, too.
    (output, *_) = next(node.output_tensors for node in nodes if node.operation is layer)
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
        if tensor.dtype == full_precision_of(tensor)
        else keras.layers.Activation("linear", dtype=full_precision_of(tensor))(tensor)
        for name, tensor in found.items()
    }
    same = isinstance(network.output, dict) and all(
        outputs.get(name) is tensor for name, tensor in whole.items()
    )
    if not same:
        network = keras.Model(network.inputs[0], whole, name=network.name)
    low, high = value_range("input_range", input_range)
    if (low, high) == UNIT_RANGE:
        return network
    image = keras.Input(network.input_shape[1:], name="image")
    scaled = keras.layers.Rescaling(high - low, offset=low, dtype="float32")(image)
    return keras.Model(image, network(scaled), name=network.name)
