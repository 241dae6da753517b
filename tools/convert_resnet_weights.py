"""Turns a torchvision or timm ResNet-18 / ResNet-50 into the weights of --init_weights=FILE.

    python tools/convert_resnet_weights.py model.safetensors resnet18.npz

The input is a safetensors file, read without torch, or an npz file of the arrays under
torchvision's names. The classifier `fc` is left out: the embedding has a new last layer. The
network normalises its images with ImageNet's mean and deviation, so the weights must have been
trained that way (torchvision's are, as are timm's resnet18 and resnet50).
"""

import json
import math
import pathlib
import sys

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64}
NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: python tools/convert_resnet_weights.py MODEL.safetensors|npz OUTPUT.npz")
    source, output = map(pathlib.Path, arguments)
    try:
        arrays = converted(read(source))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {source}: {error}")
    with output.open("wb") as file:
        np.savez(file, **arrays)
    print(f"{len(arrays)} arrays in {output}; train with --init_weights={output}")


def read(path):
    """Returns the arrays of a safetensors or npz file, name -> array."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    raise ValueError(
        "neither .safetensors nor .npz; of a .pth file torch itself makes one: "
        "safetensors.torch.save_file(torch.load(FILE), 'model.safetensors')"
    )


def read_safetensors(path):
    """The format: 8 bytes with the length of a JSON header, the header, all buffers."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError("is no safetensors file, or was cut off")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    return {name: _array(name, body, **facts) for name, facts in header.items()}


def converted(arrays):
    """Returns the backbone under our names, float32, kernels as height, width, in, out.

    Args:
        arrays: dict of torchvision's names, kernels as out, in, height, width.

    Raises:
        ValueError: an array that no ResNet of torchvision has.
    """
    found = {}
    for name, value in arrays.items():
        layer, _, kind = name.rpartition(".")
        if layer == "fc" or kind == "num_batches_tracked":
            continue
        if value.ndim == 4 and kind == "weight":
            kind, value = "kernel", value.transpose(2, 3, 1, 0)
        elif value.ndim == 1 and kind in NORM:
            kind = NORM[kind]
        else:
            raise ValueError(f"{name} {value.shape} is not of a ResNet of torchvision")
        found[f"{layer}/{kind}"] = np.ascontiguousarray(value, np.float32)
    if not found:
        raise ValueError("holds no weights")
    return found


def _array(name, body, *, dtype, shape, data_offsets):
    start, stop = data_offsets
    kind = np.dtype(np.uint16 if dtype == "BF16" else DTYPES.get(dtype, np.void))
    if kind == np.void or stop > len(body) or stop - start != kind.itemsize * math.prod(shape):
        raise ValueError(f"{name}: {dtype} {shape} in {stop - start} bytes cannot be read")
    values = np.frombuffer(body[start:stop], kind)
    if dtype == "BF16":  # the upper half of a float32
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(shape)


if __name__ == "__main__":
    main(sys.argv[1:])
