"""Weights that a ResNet starts from: those of an ImageNet classifier without its last layer."""

import pathlib
import zipfile

import numpy as np

from hm_tf.pretrained import keras_hub_weights
from robust_tf.errors import UserError

HEAD = "fc"


def load_initial_weights(network, source):
    """Puts pretrained weights into all layers of `network` but its head.

    Args:
        network: ResNet of `get_embedding`.
        source: "imagenet", by way of keras-hub, or the path of a file that
            tools/convert_resnet_weights.py has written.

    Raises:
        UserError: there are no such weights for this network, or they do not fit.
    """
    if network.name not in keras_hub_weights.PRESETS:
        known = " and ".join(keras_hub_weights.PRESETS)
        raise UserError(f"--init_weights={source} is for {known}, not for {network.name}")
    if source == "imagenet":
        arrays = keras_hub_weights.backbone_arrays(network.name)
    else:
        arrays = read_arrays(source)
    try:
        assign(network, arrays)
    except ValueError as error:
        raise UserError(f"--init_weights={source}: {error}") from error


def read_arrays(path):
    """Returns the arrays of an npz file as a dict; UserError where it is none."""
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise UserError(
            f"--init_weights={path} is no file; give none, imagenet, or a file that "
            "tools/convert_resnet_weights.py has written"
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"--init_weights={path} cannot be read as an npz file; "
            "tools/convert_resnet_weights.py makes one of a safetensors file"
        ) from error


def assign(network, arrays):
    """Sets all variables but those of the head; nothing is set unless everything fits.

    Args:
        network: keras.Model.
        arrays: dict "layer/variable", e.g. "layer1.0.conv1/kernel" or "bn1/moving_mean", to array
            in the layout of Keras.

    Raises:
        ValueError: a variable has no array, one of another shape, or one with NaN; an array has no
            variable.
    """
    variables = {
        f"{layer.name}/{variable.name}": variable
        for layer in network.layers
        for variable in layer.weights
        if layer.name != HEAD
    }
    if missing := sorted(variables.keys() - arrays.keys()):
        raise ValueError(f"no weights for {_some(missing)} of {network.name}")
    if unknown := sorted(arrays.keys() - variables.keys()):
        raise ValueError(f"{network.name} has no {_some(unknown)}")
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise ValueError(f"{name} is {arrays[name].shape}, not {tuple(variable.shape)}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} is not finite")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _some(names):
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
