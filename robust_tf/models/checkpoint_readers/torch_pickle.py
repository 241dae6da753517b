"""The .pt and .pth files of PyTorch, read without PyTorch.

Formats: the zip archive of PyTorch 1.6 and later, and the stream of pickles before it.
"""

import io
import struct
import zipfile

import numpy as np

from robust_tf.errors import UserError, reason_of
from robust_tf.models.checkpoint_readers.tensor_unpickler import TensorUnpickler

_ZIP = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Where training scripts put the weights, beside an optimiser's state.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "net", "last")


def read(path):
    """Returns the weights of a file, dict from name to array.

    Raises:
        UserError: The file is no file of PyTorch, encrypted or cut off, it holds anything but
            tensors, or it holds no weights.
    """
    content = path.read_bytes()
    if content[:512].lstrip().startswith(b"<"):
        raise UserError(f"{path} is a web page, not weights; download the file behind its link")
    try:
        found = _read_zip(content) if content.startswith(_ZIP) else _read_legacy(content)
        return _weights(found)
    except UserError as error:
        raise UserError(f"{path} {error}") from error
    # Damaged bytes are opcodes too: the unpickler fails in as many ways as there are opcodes.
    except Exception as error:
        raise UserError(
            f"{path} is no PyTorch file, or it is encrypted, cut off or damaged "
            f"({reason_of(error)})"
        ) from error


def _read_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > len(content):
            raise UserError(f"unpacks to {unpacked:,} bytes; PyTorch compresses nothing")
        pickled = next((name for name in names if name.endswith("data.pkl")), None)
        if pickled is None:
            raise UserError("is a zip archive of something else than PyTorch's weights")
        root = pickled.removesuffix("data.pkl")
        order = f"{root}byteorder"
        little = order not in names or archive.read(order).strip() == b"little"

        storages = {}

        def storage(pid):
            _, dtype, key, _, count = pid
            if key not in storages:  # many tensors may share it
                stored = archive.read(f"{root}data/{key}")
                storages[key] = _flat(stored, dtype, count, little)
            return storages[key]

        return TensorUnpickler(io.BytesIO(archive.read(pickled)), storage).load()


def _read_legacy(content):
    """Magic number, protocol, system; the object; the keys of its storages; their bytes.

    The tensors are views of the storages, which are filled after them.
    """
    file = io.BytesIO(content)
    magic, _, system = (TensorUnpickler(file).load() for _ in range(3))
    if magic != _LEGACY_MAGIC:
        raise UserError("does not begin as a PyTorch file")
    order = "<q" if system["little_endian"] else ">q"
    storages = {}

    def declare(pid):
        _, dtype, key, _, count, _ = pid
        if key not in storages:
            left = len(content) - sum(storage.nbytes for storage in storages.values())
            _require_bytes(left, dtype, count)
            storages[key] = np.zeros(count, dtype)
        return storages[key]

    found = TensorUnpickler(file, declare).load()
    for key in TensorUnpickler(file).load():
        storage = storages[key]
        (count,) = struct.unpack(order, file.read(8))
        if count != storage.size:
            raise UserError(f"has a storage of {count} values instead of {storage.size}")
        storage[:] = _flat(file.read(storage.nbytes), storage.dtype, count, order == "<q")
    return found


def _flat(data, dtype, count, little):
    _require_bytes(len(data), dtype, count)
    stored = dtype.newbyteorder("<" if little else ">")
    return np.frombuffer(data, stored, count).astype(dtype, copy=False)


def _require_bytes(size, dtype, count):
    if size < count * dtype.itemsize:
        raise UserError(f"was cut off: {size:,} bytes are too few for {count:,} values")


def _weights(found):
    """The dict of arrays in what a training script saved."""
    if not isinstance(found, dict):
        raise UserError(f"holds a {type(found).__name__}, not the weights of a network by name")
    # First: an accuracy beside them may be a tensor, too.
    for key in _WEIGHTS:
        if isinstance(found.get(key), dict):
            return _weights(found[key])
    arrays = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
    if arrays:
        return arrays
    keys = ", ".join(map(str, list(found)[:5])) or "nothing"
    raise UserError(f"holds {keys}, and no weights under {', '.join(_WEIGHTS)}")
