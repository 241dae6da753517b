"""Checkpoints of TensorFlow 1 (tf.train.Saver), read without TensorFlow 1."""

import pathlib
import re

import tensorflow as tf

from robust_tf.errors import UserError, reason_of

_PART = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


def find_prefix(path):
    """Returns the prefix of the checkpoint that a path names, or None.

    Args:
        path: Prefix, e.g. "models/checkpoint-70000", or one of the files of a checkpoint.

    Raises:
        UserError: The path is a folder.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        inside = sorted(str(found.with_suffix("")) for found in path.glob("*.index"))
        known = f"it holds {', '.join(inside)}" if inside else "it holds no checkpoint"
        raise UserError(f"{path} is a folder, name the prefix of one checkpoint; {known}")
    prefix = path.with_name(_PART.sub("", path.name))
    return prefix if prefix.with_name(f"{prefix.name}.index").exists() else None


def read(prefix):
    """Returns every tensor of a checkpoint, dict from name to array.

    Raises:
        UserError: The index or a data file is missing, cut off or damaged.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    # A data file that ends too early is an IndexError, a damaged one a RuntimeError.
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        raise UserError(
            f"{prefix} cannot be read as a TensorFlow checkpoint ({reason_of(error)}); copy its "
            ".index and all .data files again"
        ) from error
