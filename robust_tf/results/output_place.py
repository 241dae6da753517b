"""Checks of the place of an output before any work, so that no work is lost."""

import os
import pathlib

from robust_tf.data.text_lines import printable
from robust_tf.errors import UserError


def require_folder(flag, folder):
    """Raises UserError unless `folder` is, or can become, a folder to write to; creates nothing.

    TensorFlow cannot write to a folder whose name is not UTF-8.

    Args:
        flag: str, name of the flag of the folder.
        folder: Path of the folder.
    """
    given = f"--{flag}={printable(folder)}"
    _require(given, pathlib.Path(folder))
    try:
        os.fspath(folder).encode()
    except UnicodeEncodeError:
        raise UserError(f"{given}: its path is not UTF-8; name another") from None


def require_file(flag, path):
    """Raises UserError unless `path` is, or can become, a file to write; see `require_folder`."""
    refused = f"--{flag}={path} cannot be written"
    _require(refused, pathlib.Path(path).parent)
    if os.path.isdir(path):
        raise UserError(f"{refused}: it is a folder; name a file")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise UserError(f"{refused}: no permission; name another")


def require_own_file(path):
    """Raises UserError if `path` exists and is no file, as a link: it may lead out of its folder.

    Whoever made the folder has chosen what a link in it leads to.
    """
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
        raise UserError(
            f"{printable(path)} is a link or no file, and is not written to; put a file there, or "
            "remove it"
        )


def can_be_written(folder):
    """Returns whether `folder`, a Path, takes new files, or can be made."""
    existing = _existing(folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _require(refused, folder):
    if not can_be_written(folder):
        raise UserError(f"{refused}: {_existing(folder)} is no folder to write to")


def _existing(folder):
    """The folder, or the nearest one above it that exists."""
    # `Path.exists` raises an error within a home that this user may not enter.
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))
