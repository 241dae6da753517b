"""The hardness H_D that an attack drives triplets to (HM, sections 3.1 and 3.2).

A destination by its name on the command line:

    random, semihard, softhard, distance, hardest   hardness of other benign triplets of the batch
    lga, g2, ghalf                                  gradual, by the loss of the update before
    gb:semihard                                     a sampler's hardness, raised gradually
    -0.1                                            a constant
    package.module.function                         function(level, source_hardness)
"""

import functools
import importlib
import math
import sys
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from hm_tf.triplets import SYMBOLS
from robust_tf.attacks.compiled_batch import assertion
from robust_tf.errors import UserError

# Characters of what TensorFlow or a user's module says went wrong.
LONGEST_REASON = 160


def loss_level(previous_loss, bound):
    """l = min(u, max(0, l_{t-1})) / u, in [0, 1]: 1 early in training, near 0 at its end.

    Args:
        previous_loss: the adversarial triplet loss of the update before, float [...].
        bound: u > 0; the margin in the paper.
    """
    return tf.clip_by_value(previous_loss, 0.0, bound) / bound


def raised(hardness, level, rise):
    """g_B = H_D + rise * (1 - l)."""
    return hardness + rise * (1.0 - level)


def linear_gradual(level, margin):
    """g_LGA = -margin * l: the linear gradual adversary."""
    return -margin * level


def eager_gradual(level, margin):
    """g_2 = -margin * l^2: closer to 0, a stronger adversary, early."""
    return -margin * level**2


def conservative_gradual(level, margin):
    """g_1/2 = -margin * sqrt(l): closer to -margin, a weaker adversary, early."""
    return -margin * tf.sqrt(level)


class Destination(NamedTuple):
    """A destination hardness.

    Attributes:
        symbol: as in the tables of the paper, e.g. "M", "gLGA", "0".
        sampler: name of the sampler whose triplets it needs, or None.
        function: (level, source, benign) -> H_D, all float [m]. They are the level of the loss and
            the hardness of the source triplets and of the sampler's (None without a sampler).
        gradual: whether it may change with the level of the loss.
    """

    symbol: str
    sampler: str | None
    function: Callable
    gradual: bool = False

    def __call__(self, level, source, benign=None):
        """Returns H_D, float [m], like `source`."""
        value = tf.cast(self.function(level, source, benign), source.dtype)
        return tf.stop_gradient(tf.broadcast_to(value, tf.shape(source)))


GRADUAL = {
    "lga": ("gLGA", linear_gradual),
    "g2": ("g2", eager_gradual),
    "ghalf": ("g1/2", conservative_gradual),
}


def symbol(name):
    """Returns what the tables of the paper write for a valid name, see `get`; imports nothing."""
    if name in SYMBOLS:
        return SYMBOLS[name]
    if name in GRADUAL:
        return GRADUAL[name][0]
    if name.startswith("gb:"):
        return f"gB({SYMBOLS[name.removeprefix('gb:')]})"
    constant = _number(name)
    return name.rpartition(".")[2] if constant is None else f"{constant:g}"


def get(name, *, margin=0.2, rise=0.1, loss_bound=None):
    """Returns the Destination of a name, see the top of this file.

    Args:
        name: str, or a number for one hardness.
        margin: margin of the triplet loss; the gradual functions start at -margin.
        rise: the most that "gb:" adds.
        loss_bound: bound of the `loss_level` of a gradual destination; None means the margin.

    Raises:
        UserError: unknown name; a function that cannot be imported or fails, or whose result has
            NaN or another shape than its arguments; a bound that is not positive or not used.
    """
    found = _named(str(name), margin, rise)
    flag, bound = ("margin", margin) if loss_bound is None else ("loss_bound", loss_bound)
    if found.gradual and bound <= 0:
        raise UserError(
            f"--{flag}={bound:g}: --destination={name} divides by it; give a number above 0"
        )
    if flag == "loss_bound" and not found.gradual:
        raise UserError(f"--loss_bound goes with a gradual --destination, not {name}; leave it out")
    return found


def require_imported(name):
    """Raises UserError if a destination of a saved defense is of a module that is not imported.

    A file that is loaded must not choose which code runs.
    """
    module = name.rpartition(".")[0]
    if module not in ("", *sys.modules) and _number(name) is None:
        raise UserError(
            f"the destination {name} is a function of {module}, which no file imports; if you "
            "trust the function, import its module before the file is loaded"
        )


def _named(name, margin, rise):
    if name in SYMBOLS:
        return Destination(symbol(name), name, lambda level, source, benign: benign)
    if name in GRADUAL:
        gradual = GRADUAL[name][1]
        return Destination(symbol(name), None, lambda level, *_: gradual(level, margin), True)
    base, _, sampler = name.partition(":")
    if base == "gb" and sampler in SYMBOLS:
        function = lambda level, source, benign: raised(benign, level, rise)
        return Destination(symbol(name), sampler, function, True)
    if (constant := _number(name)) is not None:
        # A Python number would become float32 first, of which float64 cannot be made again.
        of_each = lambda level, source, benign: tf.constant(constant, source.dtype)
        return Destination(symbol(name), None, of_each)
    if "." in name and ":" not in name:
        return _imported(name)
    raise UserError(
        f"unknown destination {name!r}; choose a sampler ({', '.join(SYMBOLS)}), lga, g2, ghalf, "
        "gb:SAMPLER, a number between -2 and 2, or the import path of a function"
    )


def _number(name):
    try:
        value = float(name)
    except ValueError:
        return None
    if not math.isfinite(value) or abs(value) > 2.0:
        raise UserError(f"--destination={name}: a hardness lies between -2 and 2")
    return value


def _imported(name):
    module, _, attribute = name.rpartition(".")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a user's module may raise
        raise UserError(f"--destination={name} cannot be imported: {_reason(error)}") from error
    if not callable(function):
        raise UserError(f"--destination={name} is no function but {function!r}")
    checked = functools.partial(_checked, name, function)
    _try_out(name, checked)
    return Destination(symbol(name), None, checked, True)


def _checked(name, function, level, source, _=None):
    """What a user's function returns, a number or one per triplet, like `source`."""
    try:
        value = tf.cast(function(level, source), source.dtype)
    except Exception as error:  # whatever a user's function may raise
        raise UserError(f"--destination={name} failed: {_reason(error)}") from error
    of_each = tuple(source.shape)
    if not any(value.shape.is_compatible_with(shape) for shape in ((), of_each)):
        raise UserError(
            f"--destination={name} must return a number or one per triplet, shape () or {of_each} "
            f"here, not {tuple(value.shape)}"
        )
    finite = tf.reduce_all(tf.math.is_finite(value))  # XLA leaves the check out
    tf.debugging.Assert(finite, [f"--destination={name} returned a value that is not finite"])
    return value


def _try_out(name, checked):
    """Calls a user's function on the range of its arguments, before any training."""
    # As in training: there a Python `if` on a tensor fails, called plainly it does not.
    called = tf.function(checked, autograph=False)
    for level in (0.0, 0.5, 1.0):
        try:
            called(tf.fill([5], level), tf.linspace(-2.0, 2.0, 5))
        except tf.errors.OpError as error:
            said = assertion(error) or f"--destination={name} failed: {_reason(error)}"
            raise UserError(f"{said} (level {level})") from error


def _reason(error):
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return textwrap.shorten(line, LONGEST_REASON, placeholder=" ...")
