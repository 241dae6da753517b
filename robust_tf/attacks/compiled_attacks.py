"""The attacks on a classifier that earlier calls have compiled, while it computes the same."""

import functools
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.logits_of import logits_of
from robust_tf.attacks.perturbed import perturbed

# A graph and single operations round differently: by less than this share of the largest logit.
ROUNDING = 0.01
NO_GRADIENT = (
    "no gradient of the logits reaches the images, as behind rounding or tf.stop_gradient: an "
    "attack by gradients ends where it starts; Square needs no gradient"
)


def known_logits_of(model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """As `logits_of`; a second call with a model returns what the first did.

    Unless the graph of the model was rebuilt between them. It refuses objects that are no model,
    such as an array.
    """
    if not isinstance(model, Hashable):
        return logits_of(model)
    ends = getattr(model, "outputs", None) if isinstance(model, keras.Model) else None
    return _known_logits_of(model, tuple(ends or ()))


@functools.lru_cache(maxsize=8)
def _known_logits_of(model, ends):
    del ends
    return logits_of(model)


class CompiledAttacks:
    """The attacks on one classifier that were compiled.

    The classifier may compute something else at the next call: a function reads a name that stands
    for another model by then, a layer gets another activation. What was compiled would not.

    Args:
        logits_fn: function images [n, ...] -> logits [n, classes].
    """

    _forward: CompiledBatch
    _compiled: Callable[[Any], CompiledBatch]
    # False once what was just compiled differs: random logits, a coarse rounding. None: unknown.
    _comparable: bool | None
    _differentiable: bool | None  # None: unknown

    def __init__(self, logits_fn: Callable[[tf.Tensor], tf.Tensor]):
        self._logits_fn = logits_fn
        self._forget()

    def of(self, attack: Any, image: tf.Tensor) -> Callable[..., tf.Tensor]:
        """Returns the function images, labels, keys -> adversarial images of an attack.

        Args:
            attack: an `Attack`.
            image: float [1, ...], on which compiled and present logits are compared.
        """
        now = self._logits_fn(image)
        if self._comparable and not _near(self._forward(image), now):
            self._forget()
        if getattr(attack, "uses_gradients", False) and not self._has_gradient(image):
            warnings.warn(NO_GRADIENT, stacklevel=4)
        if getattr(attack, "eager", False):
            return self._perturb(attack)
        if self._comparable is None:
            self._comparable = _near(self._forward(image), now)
        try:
            return self._compiled(attack)
        except TypeError:  # a list or an array among its fields: it cannot be found again
            return self._compile(attack)

    def _has_gradient(self, image):
        if self._differentiable is None:
            with tf.GradientTape() as tape:
                tape.watch(image)
                logits = self._logits_fn(image)
            self._differentiable = tape.gradient(logits, image) is not None
        return self._differentiable

    def _forget(self):
        self._differentiable = None
        self._forward = CompiledBatch(self._logits_fn, any_size=True)
        self._comparable = None
        self._compiled = functools.lru_cache(maxsize=8)(self._compile)

    def _compile(self, attack):
        return CompiledBatch(self._perturb(attack), any_size=True)

    def _perturb(self, attack):
        return lambda x, y, keys: perturbed(attack, attack.perturb(self._logits_fn, x, y, keys), x)


# One for each classifier, so that a second attack finds what the first has compiled.
compiled_attacks = functools.lru_cache(maxsize=8)(CompiledAttacks)


def _near(found, logits):
    found, logits = (np.asarray(tf.cast(tensor, tf.float32)) for tensor in (found, logits))
    allowed = ROUNDING * np.abs(logits).max()
    return found.shape == logits.shape and np.allclose(found, logits, 0, allowed, equal_nan=True)
