"""Text of users: lists of names in files, and names of files in messages."""

import os
import pathlib
import re

from robust_tf.errors import UserError

LONGEST = 100  # characters of a file's name in a message
NAMED = 3  # names in a message


def read_names(path, flag):
    """Returns the lines of a UTF-8 file, with or without a byte order mark, empty ones left out.

    Args:
        path: Path of the file.
        flag: name of the flag that gave the path.

    Raises:
        UserError: no such file, or another encoding.
    """
    path = pathlib.Path(os.path.expanduser(path))
    if not path.is_file():
        raise UserError(f"--{flag}={path} is not a file with one class name per line")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(
            f"--{flag}={path} is not UTF-8 in line {line} (Latin-1?); save it as UTF-8"
        ) from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def printable(name):
    r"""Returns a file's name as text of one line.

    Bytes that are not UTF-8, and control characters, become \xNN.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return _escaped(r"[\x00-\x1f\x7f-\x9f]", text)


def visible(text):
    r"""Returns text whose control characters but \t and \n are \xNN: a terminal would obey them."""
    return _escaped(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


def shortened(name, longest=LONGEST):
    """Returns a file's name for a message or a picture; of a long one the middle is left out."""
    text, half = printable(name), longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def first_of(names):
    """Returns the first names for a message, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(map(shortened, names[:NAMED]))}{more}"


def _escaped(characters, text):
    return re.sub(characters, lambda found: rf"\x{ord(found[0]):02x}", text)
