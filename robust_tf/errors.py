"""The two ways a run can end badly; the entry points turn them into one line and an exit code."""

import difflib
import operator
import re
import zipfile
import zlib

# What NumPy and Keras raise on damaged files, and the zip files around them: on an empty, cut off
# or other file, on text in the place of numbers, on a changed flag of zip (a password, a method),
# on a header that announces more than the memory holds.
_BY_READERS = OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError
UNREADABLE = *_BY_READERS, zipfile.BadZipFile, zlib.error
OF_THE_CODE = (
    "Graph execution error:",
    "Detected at node ",
    'File "',
    "<stack traces unavailable>",
)
_OPERATION = re.compile(r"^\{\{\w+_node [^}]*\}\} |\[Op:\w+\].*$")
SIGNALLED = 128  # plus the number of a signal: exit code of a command that it stopped
INTERRUPTED = SIGNALLED + 2  # Ctrl-C


class UserError(Exception):
    """A mistake of the user's that can be known beforehand. Exit code 2.

    The message is one line: the mistake, the allowed values, and the remedy.
    """


class RunError(Exception):
    """Something failed on the way (loss not finite, disk full, broken download). Exit code 1."""


def require_known(kind, name, allowed):
    """Raises the ValueError of a name that is not among the allowed ones."""
    if name not in list(allowed):  # a list has no hash, and is no key
        found = with_closest(name, allowed)
        raise ValueError(f"unknown {kind} {found}; choose from {', '.join(allowed)}")


def whole_number(name, value, lowest=None):
    """Returns a whole number as int; raises the ValueError of anything else, or of a smaller one.

    Args:
        name: what the number is, for the message.
        value: int, or what stands for one, such as a number of NumPy; no bool.
        lowest: int, or None for any number.
    """
    # A truth value of NumPy 1 stands for a whole number, too.
    truth = isinstance(value, bool) or getattr(value, "dtype", None) == "bool"
    try:
        number = operator.index(None if truth else value)
        if lowest is None or number >= lowest:
            return number
    except TypeError:
        pass
    least = "" if lowest is None else f" >= {lowest}"
    raise ValueError(f"{name} must be a whole number{least}, got {value!r}")


def require_pixel_change(what, given, size):
    """Raises the UserError of a change of single pixels above 1, which is one of 0 ... 255.

    Args:
        what: str, what has the size, for the message.
        given: the size as the user wrote it.
        size: float.
    """
    if size > 1:
        raise UserError(f"{what}: pixels are in [0, 1]; did you mean {given}/255?")


def reason_of(error):
    """Returns the first line of an error's message, or its kind where it has no message.

    In a graph TensorFlow's message begins with the lines of the code that made the operation.
    Outside a graph the names of its function and operation stand around the message.
    """
    lines = (_OPERATION.sub("", line).strip() for line in str(error).splitlines())
    said = (line for line in lines if line and not line.startswith(OF_THE_CODE))
    return next(said, type(error).__name__)


def with_closest(name, allowed):
    """Returns an unknown name in quotes, with the allowed name that looks most like it.

    Args:
        name: str.
        allowed: names, compared in any case.

    Returns:
        "'pdg20' (did you mean 'pgd20'?)"; the name alone where none looks like it.
    """
    found = {one.lower(): one for one in allowed}
    close = difflib.get_close_matches(str(name).lower(), found, n=1)
    return repr(name) + (f" (did you mean {found[close[0]]!r}?)" if close else "")
