"""The hyper-parameters of an attack as records store them."""

import dataclasses

import numpy as np

from robust_tf.attacks.attack import Attack, recorded


def attack_settings(preset, num_classes):
    """Returns dict name -> value of an attack's hyper-parameters, ready for JSON.

    Args:
        preset: `Preset`; None for clean images, which have no settings.
        num_classes: number of classes, by which some attacks choose their loss.
    """
    if preset is None:
        return {}
    attack = preset.attack
    settings = {name: _plain(value) for name, value in recorded(attack).items()}
    settings.pop("threat_model", None)
    if hasattr(attack, "loss_name"):
        settings["loss"] = attack.loss_name(num_classes)
    elif settings.get("loss") == "ce":
        del settings["loss"]
    # Default loss and rounding are named only where they differ: stored settings stay valid.
    return {**settings, "rounded": True} if preset.rounded else settings


def untold(attack):
    """Returns the names of the fields of an attack that `attack_settings` does not tell apart.

    Two arrays may have one shape, two functions or models have no settings at all. A field that is
    not shown is not stored.
    """
    fields = dataclasses.fields(attack)
    return [f.name for f in fields if not (f.repr and _is_told(getattr(attack, f.name)))]


def _is_told(value):
    if isinstance(value, (list, tuple)):
        return all(map(_is_told, value))
    if dataclasses.is_dataclass(value):
        return not untold(value)
    return value is None or isinstance(value, (bool, int, float, str, np.generic))


def _plain(value):
    """Settings as lists and dicts of their fields, down to what JSON takes.

    An array is its shape, a function or another object, such as a model, its name.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if hasattr(value, "shape"):
        return list(value.shape) if len(value.shape) else np.asarray(value).item()
    if isinstance(value, Attack):
        return {name: _plain(inner) for name, inner in recorded(value).items()}
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return getattr(value, "__qualname__", type(value).__qualname__)
