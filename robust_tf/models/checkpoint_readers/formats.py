"""Weights of any format that is read here: the name of the file says which."""

import pathlib

import numpy as np
import safetensors

from robust_tf.errors import UNREADABLE, UserError
from robust_tf.models.checkpoint_readers import tf1_checkpoint, torch_pickle

# Types of .safetensors files that NumPy has.
_OF_NUMPY = {"BOOL", "C64"} | {f"{kind}{bits}" for kind in "IU" for bits in (8, 16, 32, 64)}
_OF_NUMPY |= {"F16", "F32", "F64"}


def read(path):
    """Returns the tensors of a file, dict from name to array.

    Args:
        path: File that ends in .npz, .pt, .pth or .safetensors, or prefix of a checkpoint of
            TensorFlow 1.

    Raises:
        UserError: There is no such file, it cannot be read, or a tensor has a low precision.
    """
    path = pathlib.Path(path)
    if prefix := tf1_checkpoint.find_prefix(path):
        tensors = tf1_checkpoint.read(prefix)
    elif not path.exists():
        raise UserError(f"{path} does not exist, nor does the index of a checkpoint {path}.index")
    elif path.suffix not in _READERS:
        known = ", ".join(_READERS)
        raise UserError(f"{path} is of no known format: {known} or a TensorFlow 1 checkpoint")
    else:
        tensors = _READERS[path.suffix](path)
    for name, tensor in tensors.items():
        # Rounded weights are another network: its robust accuracy is not the published one.
        if tensor.dtype == np.float16:
            raise UserError(f"{path}: {name} is float16, not float32; give the float32 weights")
    return tensors


def read_npz(path):
    """Returns the arrays of a NumPy .npz file, dict from name to array; no pickled objects.

    Raises:
        UserError: The file is no .npz file, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            # A member that is no array is bytes.
            return {name: np.asarray(value) for name, value in arrays.items()}
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be read as an .npz file: {error}") from error


def read_safetensors(path):
    """Returns the tensors of a .safetensors file, dict from name to array.

    Raises:
        UserError: The header is wrong, the file is cut off, or NumPy lacks a tensor's type.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: _tensor(file, name, path) for name in file.keys()}
    except (safetensors.SafetensorError, *UNREADABLE) as error:
        raise UserError(f"{path} cannot be read as a .safetensors file: {error}") from error


_READERS = {
    ".npz": read_npz,
    ".pt": torch_pickle.read,
    ".pth": torch_pickle.read,
    ".safetensors": read_safetensors,
}


def _tensor(file, name, path):
    dtype = file.get_slice(name).get_dtype()
    if dtype not in _OF_NUMPY:
        raise UserError(f"{path}: {name} is {dtype}, not float32; give the float32 weights")
    return file.get_tensor(name)
