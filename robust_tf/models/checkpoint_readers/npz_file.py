"""Arrays of a NumPy .npz file."""

import zipfile

import numpy as np

from robust_tf.errors import UserError


def read(path):
    """Returns the arrays of the file, dict from name to array; pickled objects are refused.

    Raises:
        UserError: The file is no .npz file, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as an .npz file: {error}") from error
