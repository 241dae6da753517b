"""Weights that a ResNet starts from: an ImageNet classifier without its last layer."""

import os
import pathlib

import numpy as np

from hm_tf.pretrained import keras_hub_weights
from robust_tf.errors import UserError
from robust_tf.models.assign_weights import assign
from robust_tf.models.checkpoint_readers import formats
from robust_tf.models.torch_layout import COUNTER, NAMES, keras_layout

HEAD = "fc"
# DataParallel holds the network under this name, and PyTorch's ImageNet script saves it so.
WRAPPER = "module."
# Torchvision's names of what a batch norm holds, and ours.
NORM = {NAMES[ours]: ours for ours in ("gamma", "beta", "moving_mean", "moving_variance")}


def load_initial_weights(network, source):
    """Puts pretrained weights into all layers of `network` but its head.

    Args:
        network: ResNet of `get_embedding`. It normalises its images with ImageNet's mean and
            deviation; so must the training of the weights have done.
        source: "none", which does nothing; "imagenet", by way of keras-hub; or the path of a file,
            see `read_arrays`.

    Raises:
        UserError: there are no such weights for this network, or they do not fit.
    """
    if source == "none":
        return
    if network.name not in keras_hub_weights.PRESETS:
        known = " and ".join(keras_hub_weights.PRESETS)
        raise UserError(f"--init_weights={source} is for {known}, not for {network.name}")
    if source == "imagenet":
        arrays = keras_hub_weights.backbone_arrays(network.name)
    else:
        arrays = read_arrays(source)
    try:
        assign(network, arrays, fresh=(HEAD,))
    except ValueError as error:
        raise UserError(f"--init_weights={source}: {error}") from error


def read_arrays(path):
    """Returns the arrays of a file under our names.

    Args:
        path: .pth, .safetensors or .npz file of float32 arrays under torchvision's names; or an
            .npz file under our names, which older versions had made of one.

    Raises:
        UserError: no such file, or other arrays in it.
    """
    path = pathlib.Path(os.path.expanduser(path))
    if not path.is_file():
        raise UserError(
            f"--init_weights={path} is no file; give none, imagenet, or the .pth or .safetensors "
            "file of a torchvision or timm ResNet"
        )
    try:
        arrays = formats.read(path)
        return arrays if any("/" in name for name in arrays) else converted(arrays, path)
    except UserError as error:
        raise UserError(f"--init_weights={error}") from error


def converted(arrays, source="the file"):
    """Returns the backbone under our names, kernels as height, width, in, out.

    The classifier `fc` is left out: the embedding has a new last layer.

    Args:
        arrays: dict of torchvision's names, kernels as out, in, height, width. All names may begin
            with `WRAPPER`.
        source: Name of the file for an error.

    Raises:
        UserError: an array that no ResNet of torchvision has, or no array.
    """
    found, wrapped = {}, all(name.startswith(WRAPPER) for name in arrays)
    for name, value in arrays.items():
        layer, _, kind = name[len(WRAPPER) * wrapped :].rpartition(".")
        if layer == HEAD or kind == COUNTER:
            continue
        ours = {1: NORM, 4: {"weight": "kernel"}}.get(value.ndim, {}).get(kind)
        if ours is None:
            raise UserError(f"{source}: {name} {value.shape} is not of a ResNet of torchvision")
        found[f"{layer}/{ours}"] = np.ascontiguousarray(keras_layout(value))
    if not found:
        raise UserError(f"{source} holds no weights")
    return found
