"""What an attacker may do: a norm ball around the image, inside the box of valid pixels."""

import dataclasses
import math
from typing import TYPE_CHECKING

import tensorflow as tf

from robust_tf import randomness
from robust_tf.errors import require_known
from robust_tf.magnitude import format_magnitude, parse_magnitude
from robust_tf.randomness import Shard
from robust_tf.settings import check_fields

NORMS = ("linf", "l2")
TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class ThreatModel:
    """The images x' with ||x' - x|| <= eps and lower <= x' <= upper.

    All images are float [batch, ...] with values in [lower, upper]; results keep their dtype.

    Attributes:
        eps: radius of the ball in pixel units; "8/255" is understood.
        norm: "linf" or "l2", taken over everything but the batch axis.
        lower, upper: the box of valid pixels.

    Raises:
        ValueError: unknown norm, eps not a number >= 0, a box without numbers or empty.
    """

    eps: float
    norm: str = "linf"
    lower: float = 0.0
    upper: float = 1.0

    if TYPE_CHECKING:  # the field is a float, the argument may be text

        def __init__(
            self, eps: float | str, norm: str = "linf", lower: float = 0.0, upper: float = 1.0
        ) -> None: ...

    def __post_init__(self):
        object.__setattr__(self, "eps", parse_magnitude(self.eps, "eps"))
        require_known("norm", self.norm, NORMS)
        check_fields(self)
        if not self.lower < self.upper:
            raise ValueError(f"lower ({self.lower}) must be below upper ({self.upper})")

    def __str__(self):
        return f"{self.norm} eps={format_magnitude(self.eps)}"

    def project(self, x_adv: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Returns `x_adv` brought back into ball and box around the clean images `x`."""
        if self.norm == "linf":
            lowest = tf.maximum(x - self.eps, self.lower)
            return tf.clip_by_value(x_adv, lowest, tf.minimum(x + self.eps, self.upper))
        difference = x_adv - x
        size = _l2_norm(difference)
        inside = x + difference * tf.where(size > self.eps, self.eps / size, 1.0)
        # x lies in the box, so the box only shortens the difference: the result stays in the ball.
        return self._in_box(inside)

    def random_start(self, x: tf.Tensor, key: tf.Tensor, shard: Shard = Shard()) -> tf.Tensor:
        """Returns points drawn uniformly from the ball around `x`, then clipped to the box.

        Args:
            x: float [batch, ...].
            key: int32 [2], or one per image, int32 [batch, 2]; see `randomness`.
            shard: which slice of the global batch `x` is; without effect on a key per image.
        """
        return self._in_box(x + self.random_offset(x, key, shard))

    def random_offset(self, x: tf.Tensor, key: tf.Tensor, shard: Shard = Shard()) -> tf.Tensor:
        """Returns offsets like `x`, uniform in the ball around zero; see `random_start`."""
        shape = randomness.shape_of(x)
        if self.norm == "linf":
            return self.eps * (2.0 * randomness.uniform(shape, key, shard, x.dtype) - 1.0)
        direction = l2_unit(randomness.normal(shape, key, shard, x.dtype))
        # The volume of a ball grows with radius^d, so u^(1/d) is the radius of a uniform point.
        one_each = [shape[0]] + [1] * (x.shape.rank - 1)
        u = randomness.uniform(one_each, key + tf.constant([1, 0]), shard, x.dtype)
        return self.eps * u ** (1.0 / x.shape[1:].num_elements()) * direction

    def step(self, x: tf.Tensor, direction: tf.Tensor, step_size: float) -> tf.Tensor:
        """Returns `x` after the steepest ascent step along `direction`; zero does not move.

        L-inf: x + s * sign(direction). L2: x + s * direction / ||direction||_2.
        """
        if self.norm == "linf":
            return x + step_size * tf.sign(direction)
        return x + step_size * l2_unit(direction)

    def distance(self, x_adv: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Returns float [batch]: the norm of x_adv - x."""
        rows = tf.reshape(x_adv - x, [randomness.shape_of(x)[0], -1])
        return tf.norm(rows, ord="euclidean" if self.norm == "l2" else math.inf, axis=1)

    def contains(self, x_adv: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Returns bool [batch]: within ball and box up to rounding, `TOLERANCE`; False for NaN.

        Of a radius above 1 the tolerance is relative, as rounding is.
        """
        near = self.distance(x_adv, x) <= self.eps + TOLERANCE * max(1.0, self.eps)
        pixels = tf.reshape(x_adv, [randomness.shape_of(x)[0], -1])
        valid = (pixels >= self.lower - TOLERANCE) & (pixels <= self.upper + TOLERANCE)
        return near & tf.reduce_all(valid, axis=1)

    def _in_box(self, x):
        return tf.clip_by_value(x, self.lower, self.upper)


def pixel_ball(eps: float | str, norm: str = "linf") -> ThreatModel:
    """Returns the `ThreatModel` of a radius that a user gives for images in [0, 1].

    Raises:
        ValueError: as `ThreatModel`, and an L-infinity radius above 1, which is one of 0 ... 255.
    """
    ball = ThreatModel(eps, norm)
    if norm == "linf":
        require_pixels("eps", eps, ball.eps)
    return ball


def require_pixels(name: str, given: float | str, size: float) -> None:
    """Raises the ValueError of an L-infinity size above 1 among images in [0, 1].

    Args:
        name: of the argument, for the message.
        given: the size as the user wrote it.
        size: the same in pixel units.
    """
    if size > 1:
        raise ValueError(
            f"{name}={given!r}: pixels are in [0, 1]; did you mean {name}='{given}/255'?"
        )


def _pixel_axes(x):
    return list(range(1, x.shape.rank))


def _l2_norm(x):
    return tf.sqrt(tf.reduce_sum(tf.square(x), axis=_pixel_axes(x), keepdims=True))


def l2_unit(x):
    """Returns x, float [batch, ...], divided by the length of each item; zero stays."""
    # Scaled by the largest entry first: squares of tiny gradients would underflow to zero.
    largest = tf.reduce_max(tf.abs(x), axis=_pixel_axes(x), keepdims=True)
    scaled = tf.math.divide_no_nan(x, largest)
    return tf.math.divide_no_nan(scaled, _l2_norm(scaled))
