"""Attacks: one gradient-ascent loop, what it ascends, and named settings.

`__init__.pyi` lists what this package exports.
"""

from robust_tf.lazy import lazy

__all__, __getattr__, __dir__ = lazy(__name__, __file__)
