"""Sizes in pixel units as text: "8/255", "0.3". Free of TensorFlow: --help answers at once."""

import math


def parse_magnitude(text, name=None):
    """Reads a size in pixel units, written as a number or as a fraction: "8/255", "0.3", 0.3.

    Raises:
        ValueError: not a finite number >= 0; the message begins with `name` where it is given.
    """
    numerator, slash, denominator = str(text).partition("/")
    try:
        value = float(numerator) / (float(denominator) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not 0.0 <= value < math.inf:
        whose = f"{name}: " if name else ""
        raise ValueError(f"{whose}expected a number >= 0 such as 8/255 or 0.3, got {text!r}")
    return value


def format_magnitude(value):
    """Writes a size as a short decimal if it is one, else in 255ths: "0.3", "8/255"."""
    levels = round(value * 255)
    if len(repr(value)) > 6 and math.isclose(value, levels / 255):
        return f"{levels}/255"
    return f"{value:g}"


def usual_step_size(eps, steps):
    """Returns 2.5 * eps / steps, the size of a step where none is given (Madry et al. 2018)."""
    return 2.5 * eps / steps
