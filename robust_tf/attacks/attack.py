"""What all attacks share: a threat model, and one call on any classifier."""

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar
from typing import Any

import tensorflow as tf

from robust_tf.attacks.attack_images import attack_images
from robust_tf.errors import UserError
from robust_tf.randomness import Shard
from robust_tf.settings import check_fields
from robust_tf.threat_model import ThreatModel, format_magnitude, pixel_ball

# Images float [batch, ...] to logits float [batch, classes].
LogitsFn = Callable[[tf.Tensor], tf.Tensor]
SHOWN = 8  # numbers of an array that stand in the name of an attack


def later(default: Any) -> Any:
    """Returns a dataclass field that records name only where it is not `default`.

    A setting that an attack gets later leaves the results valid that were stored before.
    """
    return dataclasses.field(default=default, metadata={"later": True})


def recorded(attack: Any) -> dict[str, Any]:
    """Returns dict name -> value of the settings of an attack that records name."""
    fields = [field for field in dataclasses.fields(attack) if field.repr]
    values = {field.name: getattr(attack, field.name) for field in fields}
    left_out = {f.name for f in fields if f.metadata.get("later") and values[f.name] == f.default}
    return {name: value for name, value in values.items() if name not in left_out}


def require_step(size: float, eps: float) -> None:
    """Raises the ValueError of steps of no length in a ball of another radius than 0."""
    if eps and not size:
        raise ValueError(
            "step_size=0 would leave the images where they start; give a size > 0, or leave it out"
        )


def unchecked(frozen: Any, **changes: Any) -> Any:
    """As `dataclasses.replace`, without the checks: a symbolic tensor has no value to check."""
    changed = copy.copy(frozen)
    vars(changed).update(changes)
    return changed


@dataclasses.dataclass(frozen=True)
class Attack:
    """Base of the attacks: settings in the constructor, data in the call.

    A new attack is a frozen dataclass with its settings and the method `perturb`. An int among them
    is a whole number >= 1; its default may be lower. A float is a number, a bool True or False. Two
    attacks of the same settings are the same: the second finds what the first has compiled and
    stored.

    Args:
        threat_model: ball and box of the adversarial images; or give `eps`.
        eps: radius of the ball in pixel units, "8/255" is understood.
        norm: "linf" (default) or "l2". `eps` and `norm` are not stored: they change `threat_model`.

    Attributes:
        restarts: number of independent runs.
        eager: whether `perturb` belongs outside of a `tf.function`.
        uses_gradients: whether it does nothing without a gradient.

    Raises:
        ValueError: neither `threat_model` nor `eps`, or a setting out of its range.
        UserError: a subclass with an `__init__`.
    """

    threat_model: ThreatModel = None  # type: ignore[assignment]
    _: KW_ONLY
    eps: InitVar[float | str | None] = None
    norm: InitVar[str | None] = None

    # Not annotated: a field of a subclass would take the place of these.
    restarts = 1
    eager = False
    uses_gradients = True

    def __init_subclass__(cls) -> None:
        # A constructor of one's own keeps settings that no comparison of two attacks sees.
        if "__init__" in vars(cls) and "__dataclass_params__" not in vars(cls):
            raise UserError(
                f"{cls.__name__} has an __init__; an attack is a @dataclasses.dataclass("
                "frozen=True), and its settings are the fields"
            )

    def __post_init__(self, eps: float | str | None, norm: str | None) -> None:
        name, settings = type(self).__name__, {"eps": eps, "norm": norm}
        given: dict[str, Any] = {f: value for f, value in settings.items() if value is not None}
        if self.threat_model is None and eps is None:
            raise ValueError(f"{name} needs a radius: {name}(eps='8/255') or a ThreatModel")
        if self.threat_model is None:
            object.__setattr__(self, "threat_model", pixel_ball(**given))
        elif not isinstance(self.threat_model, ThreatModel):
            raise ValueError(
                f"{name} takes a ThreatModel or eps=, got {self.threat_model!r}; "
                f"e.g. {name}(eps='8/255')"
            )
        elif given:
            changed = dataclasses.replace(self.threat_model, **given)
            object.__setattr__(self, "threat_model", changed)
        check_fields(self)

    def __str__(self) -> str:
        """A short form for tables and records."""
        settings = [str(self.threat_model)]
        for name, value in list(recorded(self).items())[1:]:
            settings.append(f"{name}={_in_a_line(value)}")
        return f"{type(self).__name__}({', '.join(settings)})"

    def get_config(self) -> dict[str, Any]:
        """Returns the settings by name, for `keras.saving.register_keras_serializable`."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    def scaled(self, share: float | tf.Tensor) -> "Attack":
        """Returns the attack in the ball of `share` radii, for one graph: a tensor may be symbolic.

        Args:
            share: in [0, 1], a number or a scalar tensor in the dtype of the images.
        """
        ball = self.threat_model
        return unchecked(self, threat_model=unchecked(ball, eps=ball.eps * share))

    __call__ = attack_images

    def perturb(
        self,
        logits_fn: LogitsFn,
        x: tf.Tensor,
        y: tf.Tensor,
        key: tf.Tensor,
        shard: Shard = Shard(),
    ) -> tf.Tensor:
        """Attacks one batch, eagerly or inside a `tf.function`.

        Args:
            logits_fn: function images [batch, ...] -> logits [batch, classes].
            x: float [batch, ...], the clean images in the box of the threat model.
            y: int [batch], the true labels.
            key: int32 [2], or one per image, int32 [batch, 2]; see `randomness`.
            shard: which slice of the global batch `x` is; without effect on a key per image.

        Returns:
            Images like `x`, in ball and box, without gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method perturb")


def _in_a_line(value):
    """A setting for the name of an attack; of a large array its shape, as its repr is shortened."""
    if isinstance(value, float):
        return format_magnitude(value)
    shape = getattr(value, "shape", ())
    if math.prod(shape) > SHOWN:
        return f"{type(value).__name__}{list(shape)}"
    return " ".join(repr(value).split())
