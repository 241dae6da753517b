"""HM: hardness manipulation, the gradual adversary and intra-class structure for robust deep metric
learning (Zhou and Patel, CVPR 2022).

`__init__.pyi` lists what this package exports.
"""

from robust_tf.lazy import lazy

__all__, __getattr__, __dir__ = lazy(__name__, __file__)
