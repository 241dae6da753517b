"""Robust training and attacks in Keras: what `tla_tf` and `hm_tf` share.

`__init__.pyi` lists what this package exports.
"""

from robust_tf.lazy import lazy

__version__ = "0.1.0"
__all__, __getattr__, __dir__ = lazy(__name__, __file__)
