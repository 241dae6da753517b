"""Turns a torchvision or timm ResNet-18 / ResNet-50 into the weights of --init_weights=FILE.

    python tools/convert_resnet_weights.py resnet18.pth resnet18.npz

The input is a .pth, .safetensors or .npz file with float32 arrays under torchvision's names; torch
is not needed. The classifier `fc` is left out: the embedding has a new last layer. The network
normalises its images with ImageNet's mean and deviation. So must the training of the weights have
done, as for torchvision's and for timm's resnet18 and resnet50.
"""

import argparse
import pathlib
import sys

import numpy as np

from robust_tf.errors import UserError
from robust_tf.models.checkpoint_readers import formats
from robust_tf.models.torch_layout import COUNTER, NAMES, keras_layout

NORM = {NAMES[ours]: ours for ours in ("gamma", "beta", "moving_mean", "moving_variance")}


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=pathlib.Path, help=".pth, .safetensors or .npz")
    parser.add_argument("output", type=pathlib.Path, help=".npz to write")
    given = parser.parse_args(arguments)
    source, output = given.source, given.output
    try:
        arrays = converted(formats.read(source), source)
        with output.open("wb") as file:
            np.savez(file, **arrays)
    except (UserError, OSError) as error:
        parser.error(str(error))
    print(f"{len(arrays)} arrays in {output}; train with --init_weights={output}")


def converted(arrays, source="the file"):
    """Returns the backbone under our names, float32, kernels as height, width, in, out.

    Args:
        arrays: dict of torchvision's names, kernels as out, in, height, width.
        source: Name of the file for an error.

    Raises:
        UserError: an array that no ResNet of torchvision has, or no array.
    """
    found = {}
    for name, value in arrays.items():
        layer, _, kind = name.rpartition(".")
        if layer == "fc" or kind == COUNTER:
            continue
        ours = {1: NORM, 4: {"weight": "kernel"}}.get(value.ndim, {}).get(kind)
        if ours is None:
            raise UserError(f"{source}: {name} {value.shape} is not of a ResNet of torchvision")
        found[f"{layer}/{ours}"] = np.ascontiguousarray(keras_layout(value), np.float32)
    if not found:
        raise UserError(f"{source} holds no weights")
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
