"""Foreign weights put into a network: an array for every variable, a variable for every array."""

import numpy as np

from robust_tf.data.text_lines import first_of

# Quantised weights need their scales, and rounded ones are another network.
FLOATS = (np.float32, np.float64)


def assign(network, arrays, fresh=()):
    """Sets the variables of a network; nothing is set unless everything fits.

    Args:
        network: keras.Model.
        arrays: Dict "layer/variable", e.g. "layer1.0.conv1/kernel" or "bn1/moving_mean", to array
            in the layout of Keras.
        fresh: Names of the layers that keep their own weights.

    Raises:
        ValueError: A variable has no array, one of another shape, one of another type than
            `FLOATS`, or one that is not finite in float32; an array has no variable.
    """
    variables = named_variables(network, fresh)
    if missing := [name for name in variables if name not in arrays]:
        raise ValueError(f"no weights for {first_of(missing)} of {network.name}")
    if unknown := sorted(arrays.keys() - variables.keys()):
        raise ValueError(f"{network.name} has no {first_of(unknown)}")
    for name, variable in variables.items():
        if arrays[name].dtype not in FLOATS:
            raise ValueError(f"{name} is {arrays[name].dtype.name}, not float32")
        if arrays[name].shape != tuple(variable.shape):
            raise ValueError(f"{name} is {arrays[name].shape}, not {tuple(variable.shape)}")
        if not (np.abs(arrays[name]) <= np.finfo(np.float32).max).all():  # NaN is not, either
            raise ValueError(f"{name} is not finite")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def named_variables(network, fresh=()):
    """Returns the dict "layer/variable" to variable, without the layers `fresh`."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in network.layers
        for variable in layer.weights
        if layer.name not in fresh
    }
