"""An unpickler that knows the tensors of PyTorch and nothing else.

A pickle may name any function of any module and have it called. This unpickler looks up the few
names below and refuses all others, so a file cannot run code.
"""

import collections
import math
import pickle

import numpy as np

from robust_tf.errors import UserError

_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


# In C, a memo index of five bytes allocates up to 64 GiB.
class TensorUnpickler(pickle._Unpickler):
    """Unpickles dicts, lists, numbers and texts; tensors become NumPy arrays.

    Args:
        file: Binary file at the start of a pickle.
        storage: Function from the persistent id of a storage to a flat array.

    Raises:
        UserError: The pickle names anything but tensors, or a tensor does not fit its storage.
    """

    def __init__(self, file, storage=None):
        super().__init__(file)
        self._storage = storage

    def find_class(self, module, name):
        if module == "torch" and name in _DTYPES:
            return np.dtype(_DTYPES[name])  # the type of the values of a storage
        if module == "torch" and name.endswith("Storage"):
            raise UserError(f"holds a torch.{name}; give the weights in float32")
        if (module, name) not in _ALLOWED:
            raise UserError(
                f"holds {module}.{name}, which is no tensor; nothing of the file was run. Save "
                "only the weights: torch.save(model.state_dict(), FILE)"
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid):
        return self._storage(pid)


def _rebuild_tensor(storage, offset, size, stride, *unused):
    """Returns a view of a flat array, as many may share it; a view past its end is refused."""
    del unused  # requires_grad, hooks, metadata
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    values = math.prod(size)
    fits = min(offset, *size, *stride, 0) == 0 and values <= storage.size
    if not fits or (values and last >= storage.size):
        raise UserError(f"has a tensor {tuple(size)} that does not fit its {storage.size} values")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides)


def _rebuild_parameter(tensor, *unused):
    del unused  # requires_grad, hooks
    return tensor


_ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
