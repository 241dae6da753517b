"""The momentum of MIM (Dong et al. 2018), in three forms."""

import dataclasses
import math

import tensorflow as tf

from robust_tf.attacks.select_images import select_images
from robust_tf.errors import require_known
from robust_tf.settings import check_fields

FORMS = ("accumulate", "l1", "ema")


@dataclasses.dataclass(frozen=True)
class Momentum:
    """The direction g of a step, from the gradient and the direction before.

    accumulate: g <- decay * g + gradient (MIM as TLA describes it: no normalisation).
    l1: the same, each image's gradient divided by its L1 norm first (Dong et al. 2018, eq. 6).
    ema: g <- decay * g + (1 - decay) * gradient, starting at the first gradient (the TLA authors'
        code).

    Args:
        decay: weight of the past, >= 0; of ema < 1, else no gradient but the first would count.
        form: one of the above.

    Raises:
        ValueError: unknown form, a decay out of its range.
    """

    decay: float
    form: str = "accumulate"

    def __post_init__(self):
        require_known("form", self.form, FORMS)
        check_fields(self)
        highest = 1 if self.form == "ema" else math.inf
        if not 0 <= self.decay < highest:  # true for NaN
            below = " and < 1" if self.form == "ema" else ""
            raise ValueError(f"decay must be finite, >= 0{below}, got {self.decay}")

    def __call__(self, velocity: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns the new direction, shaped like `gradient`; `velocity` is zero at step 0."""
        if self.form == "ema":
            mixed = self.decay * velocity + (1.0 - self.decay) * gradient
            return select_images(step == 0, gradient, mixed)
        if self.form == "l1":
            axes = list(range(1, gradient.shape.rank))
            size = tf.reduce_sum(tf.abs(gradient), axis=axes, keepdims=True)
            gradient = tf.math.divide_no_nan(gradient, size)
        return self.decay * velocity + gradient
