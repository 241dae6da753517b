"""The attacks of cleverhans 4.0 for TensorFlow 2, as baselines and beside ours.

cleverhans is imported when an attack runs.
"""

import contextlib
import dataclasses
import functools
import importlib
import types
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.attack import Attack, LogitsFn, require_step
from robust_tf.attacks.objectives import correct
from robust_tf.attacks.select_images import select_images
from robust_tf.errors import require_known, whole_number
from robust_tf.randomness import Shard
from robust_tf.threat_model import parse_magnitude

MODULES = {
    "fgm": "fast_gradient_method",
    "bim": "basic_iterative_method",
    "pgd": "projected_gradient_descent",
    "madry": "madry_et_al",
    "mim": "momentum_iterative_method",
    "cw2": "carlini_wagner_l2",
    "spsa": "spsa",
}
# Steps and learning rate. "cw2": the library's 1000 steps of 0.005 cover the same way at ten times
# the cost. "spsa": the library names no steps; Uesato et al. 2018 take up to 100.
DEFAULTS = {"cw2": (100, 0.05), "spsa": (100, 0.01)}
# Radius of the start of `madry_et_al`, whatever eps; the start is then clipped to the ball.
MADRY_START = 0.3


@dataclasses.dataclass(frozen=True)
class CleverhansAttack(Attack):
    """One attack of cleverhans.

    "fgm" is one step of eps. "bim" starts at the image, "pgd" at a random point of the ball,
    "madry" at a random point of radius 0.3, clipped to the ball. "mim" has decay 1 and divides each
    image's gradient by its mean absolute value. "cw2" looks for the nearest misclassified image in
    the L2 norm, image by image. "spsa" needs no gradients, goes image by image, and is for L-inf.

    Args:
        threat_model, eps, norm: see `Attack`.
        name: one of the above.
        steps: number of steps, >= 1; default 1, of "cw2" (in each of its 5 searches) and "spsa"
            100.
        step_size: length of a step in pixel units, "1/255" is understood, > 0; default eps, and no
            more. Of "cw2" and "spsa" the learning rate.

    Raises:
        ValueError: unknown name, a step size above eps, "spsa" in L2, another step of "fgm".
    """

    name: str = "pgd"
    steps: int | None = None
    step_size: float | str | None = None

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        require_known("attack", self.name, MODULES)
        radius = self.threat_model.eps
        steps, size = DEFAULTS.get(self.name, (1, radius))
        size = size if self.step_size is None else parse_magnitude(self.step_size, "step_size")
        if self.name not in DEFAULTS and size > radius:
            raise ValueError(f"step_size {size} is above eps {radius}")
        require_step(size, 1 if self.name in DEFAULTS else radius)
        if self.name == "fgm" and (self.steps not in (None, 1) or size != radius):
            raise ValueError("fgm is one step of eps; leave steps and step_size out, or take bim")
        if self.name == "spsa" and self.threat_model.norm != "linf":
            raise ValueError("spsa of cleverhans is for the norm linf only")
        steps = steps if self.steps is None else whole_number("steps", self.steps, lowest=1)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "step_size", size)

    @property
    def eager(self) -> bool:  # type: ignore[override]
        """Whether `perturb` belongs outside of a `tf.function`: in one it takes twice the time."""
        return self.name == "cw2"

    @property
    def uses_gradients(self) -> bool:  # type: ignore[override]
        """Whether it does nothing without a gradient."""
        return self.name != "spsa"

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key=None, shard: Shard = Shard()
    ) -> tf.Tensor:
        """Attacks a batch with the arguments of `Attack.perturb`.

        Pass the same `logits_fn` every time: cleverhans compiles anew for each. "pgd", "madry" and
        "spsa" need the key.

        Returns:
            Images like `x`, in ball and box, without gradient; x itself where "cw2" found nothing
            in the ball.
        """
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        if self.name == "cw2":
            if tf.executing_eagerly():
                found = self._nearest(logits_fn, x, y, compiled=True)
            else:
                found = tf.py_function(
                    lambda *batch: self._nearest(logits_fn, *batch), [x, y], x.dtype
                )
            found = tf.ensure_shape(found, x.shape)
            inside = self.threat_model.contains(found, x)
            return tf.stop_gradient(select_images(inside & correct(logits_fn(x), y), found, x))
        if self.name == "spsa":
            keys = _image_keys(key, x, shard)
            x_adv = tf.map_fn(
                lambda batch: self._spsa(logits_fn, *batch),
                (x, y, keys),
                fn_output_signature=x.dtype,
            )
            return tf.stop_gradient(self.threat_model.project(x_adv, x))
        return tf.stop_gradient(self._ascend(logits_fn, x, y, key, shard))

    def _ascend(self, logits_fn, x, y, key, shard):
        schedule = {} if self.name == "fgm" else {"eps_iter": self.step_size, "nb_iter": self.steps}
        start = {"rand_init": True} if self.name == "pgd" else {}
        radius = MADRY_START if self.name == "madry" else self.threat_model.eps
        with _keyed_start(dataclasses.replace(self.threat_model, eps=radius), x, key, shard):
            return _function(self.name)(
                logits_fn,
                x,
                eps=self.threat_model.eps,
                norm=np.inf if self.threat_model.norm == "linf" else 2,
                **self._box(),
                y=y,
                # cleverhans' own checks call np.all on ragged lists, an error since NumPy 1.24.
                sanity_checks=False,
                **schedule,
                **start,
            )

    def _nearest(self, logits_fn, x, y, compiled=False):
        """Eagerly, image by image: cleverhans' constant has the shape of one image."""
        attack = _module("cw2").CarliniWagnerL2(
            logits_fn, **self._box(), max_iterations=self.steps, learning_rate=self.step_size
        )
        # It would take given labels for the targets.
        attack.targeted, found = False, []
        if not compiled:
            # Inside a tf.py_function another tf.function may wait for the same thread for ever.
            attack.gradient = functools.partial(type(attack).gradient.python_function, attack)
        for image, label in zip(x, y, strict=True):
            attack.y, attack.optimizer = label[None], _AdamWithoutRate(self.step_size)
            found.append(attack.attack(image[None]))
        return tf.concat(found, axis=0)

    def _spsa(self, logits_fn, image, label, key):
        with _keyed_spsa(key):
            return _function("spsa")(
                logits_fn,
                image[None],
                label[None],
                self.threat_model.eps,
                self.steps,
                **self._box(),
                learning_rate=self.step_size,
            )[0]

    def _box(self):
        return {"clip_min": self.threat_model.lower, "clip_max": self.threat_model.upper}


def _module(name):
    return importlib.import_module(f"cleverhans.tf2.attacks.{MODULES[name]}")


def _function(name):
    return getattr(_module(name), MODULES[name])


def _keyed_start(threat_model, x, key, shard):
    """Draws the start of cleverhans' PGD by our key: its own generator repeats nothing."""

    def draw(shape, norm, radius, dtype):
        del shape, norm, radius, dtype  # those of x and the threat model
        return threat_model.random_offset(x, key, shard)

    return mock.patch.object(_module("pgd"), "random_lp_vector", draw)


class _Called(list):
    def __call__(self):
        return self


class _AdamWithoutRate(keras.optimizers.Adam):
    """Adam as C&W expects it: it calls `variables`, and sets them all to zero before a search."""

    @property
    def variables(self):
        return _Called(v for v in super().variables if v is not self._learning_rate)


@contextlib.contextmanager
def _keyed_spsa(key):
    """SPSA on Keras 3, with the draws of each step by our key, int32 [2]."""
    module, step = _module("spsa"), [0]
    theirs = module.SPSAAdam

    def uniform(shape, minval, maxval, dtype):
        step_key = randomness.fold_in(key, step[0])
        numbers = randomness.uniform(tf.unstack(shape), step_key, dtype=dtype)
        return minval + (maxval - minval) * numbers

    class Adam(types.SimpleNamespace):
        """SPSAAdam on what it uses of Keras 2's Adam, without variables, which cannot be traced."""

        beta_1, beta_2, epsilon = 0.9, 0.999, 1e-7

        def __init__(self, lr, delta, num_samples, num_iters):
            samples = {"_num_samples": num_samples // 2, "_num_iters": num_iters}
            super().__init__(lr=lr, _delta=delta, **samples)

        def minimize(self, loss_fn, x, optim_state):
            step[0] = 1 + tf.cast(optim_state["t"], tf.int32)
            return theirs.minimize(self, loss_fn, x, optim_state)

    for name in ("init_state", "_get_delta", "_compute_gradients", "_apply_gradients"):
        setattr(Adam, name, vars(theirs)[name])

    class Draws(types.SimpleNamespace):
        def __getattr__(self, name):
            return getattr(tf, name)

    draws = Draws(random=types.SimpleNamespace(uniform=uniform))
    with mock.patch.multiple(module, SPSAAdam=Adam, tf=draws):
        yield


def _image_keys(key, x, shard):
    """One key per image, int32 [batch, 2], from such keys or one for the batch."""
    if len(key.shape) == 2:
        return key
    count = randomness.shape_of(x)[0]
    rows = shard.index * count + tf.range(count)
    return tf.map_fn(lambda row: randomness.fold_in(key, row), rows)
