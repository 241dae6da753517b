"""Settings objects, such as the inner attack, as plain data inside the config of a Keras model.

`keras.models.load_model` reads them in safe mode: it makes only classes that are named here, or
that their user has registered with Keras.
"""

import dataclasses
import inspect

import keras
import numpy as np

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.noisy_fgsm import NoisyFGSM
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel

_CLASSES = {cls.__name__: cls for cls in (PGD, APGD, NoisyFGSM, Momentum, ThreatModel)}


def savable(cls):
    """Decorator of a dataclass: its objects may be part of the config of a saved defense."""
    _CLASSES[cls.__name__] = cls
    return cls


def arguments(cls):
    """Returns the names of the arguments of a class's own constructor, keywords not spelled out
    excepted."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [p.name for p in parameters if p.name != "self" and p.kind not in kinds]


def to_config(value):
    """Returns plain data for a settings object or a number of NumPy; others as they are.

    Raises:
        UserError: an object of another class, which could not be loaded again.
    """
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str, list, tuple, dict)):
        return value
    name = keras.saving.get_registered_name(type(value))
    if _class_of(name) is not type(value) or not dataclasses.is_dataclass(value):
        raise UserError(
            f"a {name} cannot be saved; allowed are {', '.join(_CLASSES)}, and dataclasses "
            "under @keras.saving.register_keras_serializable()"
        )
    names = [field.name for field in dataclasses.fields(value) if field.init]
    fields = {field: to_config(getattr(value, field)) for field in names}
    return {"settings": name, "arguments": fields}


def from_config(config):
    """Returns the object of a `to_config`."""
    if not isinstance(config, dict) or config.keys() != {"settings", "arguments"}:
        return config
    name = config["settings"]
    cls = _class_of(name)
    if not dataclasses.is_dataclass(cls):  # a file may call nothing else that is registered
        raise UserError(f"the dataclass {name} is not known; define it before the file is loaded")
    return cls(**{name: from_config(value) for name, value in config["arguments"].items()})


def _class_of(name):
    return _CLASSES.get(name) or keras.saving.get_registered_object(name)
