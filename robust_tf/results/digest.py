"""Digest files: what files held when they were written, to notice what has changed since."""

import hashlib
import json
import pathlib
import warnings

from robust_tf.results import atomic

NAME = "digest.json"
OWN = "sha256"  # of the other entries of a digest file


def of_file(path):
    """Returns the SHA-256 of a file, in hex."""
    with pathlib.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_json(value):
    """Returns the SHA-256 of a value for JSON, in hex; the order of names does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write(path, entries):
    """Writes a dict for JSON to the digest file `path`, with its own digest."""
    atomic.write(path, json.dumps({**entries, OWN: of_json(entries)}, indent=2) + "\n")


def read(path):
    """Returns the dict in the digest file `path`; {} without one, with a warning where it changed.

    Nobody can then tell whether the files beside it have changed.

    Raises:
        PermissionError: the user may not read it.
    """
    try:
        entries = json.loads(pathlib.Path(path).read_bytes())
        if entries.pop(OWN) == of_json(entries):
            return entries
    except FileNotFoundError:
        return {}
    except PermissionError:  # the files beside it are as good as before
        raise
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass
    warnings.warn(f"{path} is damaged: the files beside it are read unchecked", stacklevel=2)
    return {}
