"""The attacks on a classifier that earlier calls have compiled, while it computes the same."""

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from robust_tf.attacks import keras_graph
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.logits_of import logits_of
from robust_tf.attacks.perturbed import perturbed

# A graph and single operations round differently: by less than this share of the largest logit.
ROUNDING = 0.01
# Of how many models the attacks are kept, while these live.
MODELS = 8
NO_GRADIENT = (
    "no gradient of the logits reaches the images, as behind rounding or tf.stop_gradient: an "
    "attack by gradients ends where it starts; Square needs no gradient"
)


class CompiledAttacks:
    """The attacks on one classifier that were compiled.

    The classifier may compute something else at the next call: a function reads a name that stands
    for another model by then, a layer gets another activation. What was compiled would not.

    Args:
        logits_fn: function images [n, ...] -> logits [n, classes].

    Attributes:
        logits_fn: see above.
    """

    _forward: CompiledBatch
    _compiled: Callable[[Any], CompiledBatch]
    # False once what was just compiled differs: random logits, a coarse rounding. None: unknown.
    _comparable: bool | None
    _differentiable: bool | None  # None: unknown

    def __init__(self, logits_fn: Callable[[tf.Tensor], tf.Tensor]):
        self.logits_fn = logits_fn
        self._forget()

    def of(self, attack: Any, image: tf.Tensor) -> Callable[..., tf.Tensor]:
        """Returns the function images, labels, keys -> adversarial images of an attack.

        Args:
            attack: an `Attack`.
            image: float [1, ...], on which compiled and present logits are compared.
        """
        now = self.logits_fn(image)
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
                logits = self.logits_fn(image)
            self._differentiable = tape.gradient(logits, image) is not None
        return self._differentiable

    def _forget(self):
        self._differentiable = None
        self._forward = CompiledBatch(self.logits_fn, any_size=True)
        self._comparable = None
        self._compiled = functools.lru_cache(maxsize=8)(self._compile)

    def _compile(self, attack):
        return CompiledBatch(self._perturb(attack), any_size=True)

    def _perturb(self, attack):
        return lambda x, y, keys: perturbed(attack, attack.perturb(self.logits_fn, x, y, keys), x)


# The models that were attacked last -> (outputs of their graphs, attacks).
_known: dict[weakref.ref, tuple[tuple, CompiledAttacks]] = {}


def known_attacks(model: Any) -> CompiledAttacks:
    """Returns the attacks on a model; a second call finds what the first has compiled.

    Unless the graph of the model was rebuilt between them. The model is not kept alive. It refuses
    objects that are no model, such as an array.
    """
    graph = tuple(getattr(model, "outputs", None) or ()) if isinstance(model, keras.Model) else ()
    try:
        key = _reference(model, lambda dead: _known.pop(dead, None))
        found = _known.pop(key, None)
    except TypeError:  # nothing can refer to it, or it has no hash
        return CompiledAttacks(logits_of(model))
    if found is None or found[0] != graph:
        found = graph, CompiledAttacks(_logits_of_the_living(model))
    _known[key] = found
    if len(_known) > MODELS:
        _known.pop(next(iter(_known)), None)
    return found[1]


def _reference(model, when_dead):
    """A bound method is a new object each time; its model is not."""
    kind = weakref.WeakMethod if inspect.ismethod(model) else weakref.ref
    return kind(model, when_dead)


def _logits_of_the_living(model):
    """As `logits_of`, without holding the model; whoever calls the function does."""
    logits_fn = logits_of(model)
    if isinstance(model, keras.Model) and keras_graph.output_of(model) is not None:
        return logits_fn  # of the layers
    living = _reference(model, None)

    def logits_of_the_living(images):
        return logits_of(living())(images)

    logits_of_the_living.batch_size = getattr(logits_fn, "batch_size", None)
    return logits_of_the_living


def _near(found, logits):
    found, logits = (np.asarray(tf.cast(tensor, tf.float32)) for tensor in (found, logits))
    allowed = ROUNDING * np.abs(logits).max()
    return found.shape == logits.shape and np.allclose(found, logits, 0, allowed, equal_nan=True)
