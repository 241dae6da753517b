"""TLA: metric learning for adversarial robustness (Mao et al., NeurIPS 2019).

`__init__.pyi` lists what this package exports.
"""

from robust_tf.lazy import lazy

__all__, __getattr__, __dir__ = lazy(__name__, __file__)
