"""What a defense refuses or says before its first step: networks, layers, metrics, weights."""

import warnings

import keras

from robust_tf.attacks.keras_graph import output_of
from robust_tf.data.text_lines import first_of
from robust_tf.errors import UserError
from robust_tf.losses.weight_decay import integer_kernels
from robust_tf.models.batch_norm import FrozenBatchNorm


def require_named_outputs(network):
    """Raises the UserError of a network that does not return a dict."""
    if not isinstance(output_of(network), dict):
        raise UserError(
            f"{network.name} does not return a dict of outputs; as_classifier and as_embedding of "
            "robust_tf.models.keras_network make a network that does"
        )


def refuse_regularized_outputs(network):
    """Raises the UserError of a layer with an activity_regularizer."""
    _refuse_losses_of(network, "activity_regularizer", "has an activity_regularizer")


def refuse_added_losses(network):
    """Raises the UserError of a layer that has called `add_loss` in a pass."""
    _refuse_losses_of(network, "_losses", "calls add_loss")


def _refuse_losses_of(network, attribute, what):
    """A step has several passes, and a loss of a layer's outputs does not say of which."""
    for layer in network._flatten_layers():
        if getattr(layer, attribute, None):
            raise UserError(
                f"the layer {layer.name} {what}, which a defense does not train with; leave it out "
                "(regularizers of weights are honoured)"
            )


def refuse_shown_names(defense, *metrics):
    """Raises the UserError of a compiled metric with the name of a number of the defense.

    An accuracy of Keras is the number that the defense shows by this name; others are not.

    Args:
        defense: `AdversarialModel`.
        metrics: metrics of Keras, their names, functions, or lists of these.
    """
    for metric in keras.tree.flatten(metrics):
        name = metric if isinstance(metric, str) else getattr(metric, "name", None)
        name = name or getattr(metric, "__name__", None)  # of a function
        if name in defense.trackers and not (name == "accuracy" and _is_accuracy(metric)):
            raise UserError(
                f"compile(metrics=...): {type(defense).__name__} shows its own {name}; give the "
                "metric another name"
            )


def _is_accuracy(metric):
    """Whether a metric compares each label with the largest logit."""
    exact = keras.metrics.SparseCategoricalAccuracy, keras.metrics.CategoricalAccuracy
    return metric == "accuracy" or type(metric) in exact


def require_network_in_scope(defense):
    """Raises the UserError of a network on other devices than the strategy of its defense."""
    created_here = defense.distribute_strategy.extended.variable_created_in_scope
    if not all(created_here(variable.value) for variable in defense.network.variables):
        raise UserError(
            f"{defense.network.name} was made in another scope than its defense; make both inside "
            "strategy.scope(), and compile there"
        )


def require_built_layers(defense):
    """Raises the UserError of a layer beside the network that has no weights yet."""
    for layer in defense._flatten_layers(include_self=False):
        # Without a `build` of its own a layer has no weights to make, as an augmentation.
        if not layer.built and type(layer).build is not keras.layers.Layer.build:
            raise UserError(
                f"the layer {layer.name} of {type(defense).__name__} has no weights to train yet; "
                "call its build(shape) in the constructor"
            )


def warn_of_integers(network):
    """Warns of the kernels of quantized layers, which no step changes."""
    if fixed := [kernel.path for kernel in integer_kernels(network)]:
        warnings.warn(
            f"{network.name} has integers for weights, which no step changes: {first_of(fixed)}",
            stacklevel=3,
        )


def warn_of_local_statistics(defense):
    """Warns of batch norm that takes the statistics of each of several replicas alone."""
    if defense.distribute_strategy.num_replicas_in_sync == 1:
        return
    norms = keras.layers.BatchNormalization
    layers = [layer for layer in defense.network._flatten_layers() if isinstance(layer, norms)]
    moved = [
        layer for layer in layers if layer.trainable and not isinstance(layer, FrozenBatchNorm)
    ]
    if found := [layer.name for layer in moved if not layer.synchronized]:
        warnings.warn(
            "batch norm takes the statistics of each replica alone, which are NaN where a replica "
            f"has no image; set synchronized=True: {first_of(found)}",
            stacklevel=3,
        )


def trainable_now(model):
    """Returns frozenset of the identities of a model's trainable variables."""
    return frozenset(id(variable) for variable in model.trainable_variables)


def require_trained_as_compiled(model, trained):
    """Raises the UserError of weights that were frozen or unfrozen after `compile`.

    A compiled step trains what was trainable then, without a word.

    Args:
        model: `keras.Model`.
        trained: `trainable_now` of the time of `compile`; None before.
    """
    if trained not in (None, trainable_now(model)):
        raise UserError(
            "weights were frozen or unfrozen after compile(), which takes effect when you call "
            "compile() again"
        )
