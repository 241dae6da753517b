"""Names of the tensors of PyTorch's networks, from the names of our layers.

Our layers bear PyTorch's names, but for the renamed ones below.
"""

import re

from robust_tf.models.torch_layout import COUNTER, NAMES

# Wrappers that hold the network: data parallel ones, and normalisations in front.
PREFIXES = ("module.", "model.", "net.")
# `sub_block1` stands in TRADES's networks and is never called.
LEFT_OVER = re.compile(rf"(.*\.)?{COUNTER}|sub_block1\..*")
# RobustBench's buffers of the normalisation.
_NORMALIZATION = {"mean": "mu", "deviation": "sigma"}
OPTIONAL = tuple(_NORMALIZATION.values())

_WONG_MNIST = {"conv1": "0", "conv2": "2", "dense": "5", "logits": "7"}


def fc(layer, variable):
    """Returns the name of a variable in networks whose last layer is "fc".

    Args:
        layer: Name of our layer, e.g. "block1.layer.0.conv1".
        variable: Name of the variable in the layer, e.g. "kernel".
    """
    return _name({"logits": "fc"}.get(layer, layer), variable)


def linear(layer, variable):
    """`fc` for networks whose last layer is "linear", and whose projections are "shortcut"."""
    layer = layer.replace("downsample", "shortcut")
    return _name({"logits": "linear"}.get(layer, layer), variable)


def wong_mnist(layer, variable):
    """`fc` for the MNIST network of Wong et al., a sequence of numbered layers."""
    return _name(_WONG_MNIST[layer], variable)


def _name(layer, variable):
    if layer == "normalization":
        return _NORMALIZATION[variable]
    return f"{layer}.{NAMES[variable]}"
