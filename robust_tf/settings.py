"""Settings that a user gives in Python: a number is a number, a switch is True or False.

Free of TensorFlow, as the values are: a tensor is no setting.
"""

import dataclasses
import math
import numbers
from typing import Any

from robust_tf.errors import whole_number

_CHECKED = {kind.__name__: kind for kind in (int, float, bool)}


def number(name: str, value: Any, lowest: float = 0.0, highest: float = math.inf) -> Any:
    """Returns a finite number in [lowest, highest] as int or float, one of NumPy too.

    Args:
        name: what the number is, for the message.
        value: what was given.
        lowest, highest: the allowed numbers.

    Raises:
        ValueError: text, a bool, an array, NaN or a number out of the range.
    """
    if _is_real(value) and math.isfinite(value) and lowest <= value <= highest:
        return _plain(value)
    wanted = "a non-negative number"
    if (lowest, highest) != (0.0, math.inf):
        wanted = f"a number in [{lowest:g}, {highest:g}]"
    raise ValueError(f"{name} must be {wanted}, got {value!r}")


def switch(name: str, value: Any) -> bool:
    """Returns True or False; raises the ValueError of anything else: the text "no" is true."""
    of_numpy = getattr(value, "dtype", None) == "bool" and value.shape == ()
    if not (of_numpy or isinstance(value, bool)):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def value_range(name: str, given: Any) -> tuple[float, float]:
    """Returns (low, high) of two finite numbers; raises the ValueError of anything else."""
    try:
        pair = tuple(given)
    except TypeError:  # one number
        pair = ()
    real = len(pair) == 2 and all(_is_real(end) and math.isfinite(end) for end in pair)
    if not real or not pair[0] < pair[1]:
        raise ValueError(f"{name} is (low, high), low first; got {given!r}")
    low, high = map(_plain, pair)
    return low, high


def check_fields(settings: Any) -> None:
    """Makes the numbers and switches of a frozen dataclass Python's own.

    A field is checked by its annotation. An int is a whole number >= 1, or >= its default where
    this is lower. A float is a number, and a bool is True or False. A default of None is allowed.

    Args:
        settings: the object, from its `__post_init__`.

    Raises:
        ValueError: a value of another kind.
    """
    for field in dataclasses.fields(settings):
        # An annotation is text after `from __future__ import annotations`.
        kind = _CHECKED.get(field.type) if isinstance(field.type, str) else field.type
        name, value = f"{type(settings).__name__}: {field.name}", getattr(settings, field.name)
        if value is None and field.default is None:
            continue
        if kind is int:
            lowest = min(1, field.default) if isinstance(field.default, int) else 1
            value = whole_number(name, value, lowest)
        elif kind is bool:
            value = switch(name, value)
        elif kind is float:
            if not _is_real(value):
                raise ValueError(f"{name} must be a number, got {value!r}")
            value = _plain(value)
        object.__setattr__(settings, field.name, value)


def _is_real(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _plain(value):
    """int or float; a number of NumPy would stand in names and files with its type."""
    return value if isinstance(value, int) else float(value)
