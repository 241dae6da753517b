"""How a cache of results knows a model: by its weights and by the settings of its layers."""

import json

import keras

from robust_tf.errors import UserError
from robust_tf.evaluation.saved_signature import SavedSignature
from robust_tf.results.cache import digest
from robust_tf.results.result import weights_hash


def _layers_of(model):
    """What tells networks of the same weights apart: one may have a layer more, without weights.

    The names of the layers do not: Keras numbers them by what the process has built before.
    """
    kinds = [type(layer).__qualname__ for layer in (model, *model.layers)]
    try:
        settings = json.dumps(keras.saving.serialize_keras_object(model.get_config()))
    except (NotImplementedError, TypeError, ValueError, UserError):  # it cannot be written
        return kinds
    for number, layer in enumerate((model, *model.layers)):
        settings = settings.replace(f'"{layer.name}"', f'"layer {number}"')
    return digest({"kinds": kinds, "settings": settings})


def identity_of(model):
    """Returns a dict for JSON by which a cache knows a model.

    Args:
        model: `keras.Model` or `SavedSignature`.

    Raises:
        ValueError: another model, whose weights are not known.
    """
    if isinstance(model, keras.Model):
        return {"weights_hash": weights_hash(model), "layers": _layers_of(model)}
    if isinstance(model, SavedSignature):
        return {"weights_hash": model.weights_hash}
    raise ValueError("cache= needs a keras.Model or the path of a SavedModel, to know its weights")
