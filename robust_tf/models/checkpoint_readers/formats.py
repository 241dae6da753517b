"""Weights of any format that is read here: the name of the file says which."""

import pathlib

import numpy as np

from robust_tf.errors import UserError
from robust_tf.models.checkpoint_readers import (
    npz_file,
    safetensors_file,
    tf1_checkpoint,
    torch_pickle,
)

_READERS = {
    ".npz": npz_file.read,
    ".pt": torch_pickle.read,
    ".pth": torch_pickle.read,
    ".safetensors": safetensors_file.read,
}


def read(path):
    """Returns the tensors of a file, dict from name to array.

    Args:
        path: File that ends in .npz, .pt, .pth or .safetensors, or prefix of a checkpoint of
            TensorFlow 1.

    Raises:
        UserError: There is no such file, it cannot be read, or a tensor has a low precision.
    """
    path = pathlib.Path(path).expanduser()
    if prefix := tf1_checkpoint.find_prefix(path):
        tensors = tf1_checkpoint.read(prefix)
    elif not path.exists():
        raise UserError(f"{path} does not exist, nor does the index of a checkpoint {path}.index")
    elif path.suffix not in _READERS:
        known = ", ".join(_READERS)
        raise UserError(f"{path} is of no known format: {known} or a TensorFlow 1 checkpoint")
    else:
        tensors = _READERS[path.suffix](path)
    _require_precision(tensors, path)
    return tensors


def _require_precision(tensors, path):
    """Rounded weights are another network: its robust accuracy is not the published one."""
    for name, tensor in tensors.items():
        if tensor.dtype == np.float16:
            raise UserError(f"{path}: {name} is float16, not float32; give the float32 weights")
