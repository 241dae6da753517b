"""Tensors of a .safetensors file."""

import safetensors
from safetensors import safe_open

from robust_tf.errors import UserError

# NumPy has no such types.
_WITHOUT_NUMPY = ("BF16", "F8_E4M3", "F8_E5M2")


def read(path):
    """Returns the tensors of the file, dict from name to array.

    Raises:
        UserError: The header is wrong, the file is cut off, or NumPy lacks a tensor's type.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: _tensor(file, name, path) for name in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as a .safetensors file: {error}") from error


def _tensor(file, name, path):
    dtype = file.get_slice(name).get_dtype()
    if dtype in _WITHOUT_NUMPY:
        raise UserError(f"{path}: {name} is {dtype}, not float32; give the float32 weights")
    return file.get_tensor(name)
