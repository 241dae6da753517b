"""Robust accuracy of any classifier, in one call."""

import dataclasses
import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.attack import Attack
from robust_tf.attacks.logits_of import label_numbers, logits_of, require_label_shape
from robust_tf.attacks.presets import Preset
from robust_tf.data.examples import Examples
from robust_tf.errors import whole_number
from robust_tf.evaluation.attack_column import CLEAN, Column, ensemble_columns
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.evaluation.input_range import UNIT_INTERVAL, images_in_unit_range
from robust_tf.evaluation.model_identity import identity_of
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version
from robust_tf.results.attack_settings import untold
from robust_tf.results.result import wilson_interval
from robust_tf.settings import value_range
from robust_tf.threat_model import ThreatModel, parse_magnitude, pixel_ball
from robust_tf.training.strategy import in_float32


@dataclasses.dataclass(frozen=True, eq=False)
class RobustAccuracy:
    """What `robust_accuracy` found; print it for a table.

    Attributes:
        correct: bool [n], the images that are classified correctly, clean and under every attack.
        clean: bool [n], the clean images that are classified correctly.
        attacks: dict name -> bool [n], the images that are correct under each attack. The members
            of an ensemble attack only images that are still correct.
        threat_model: `ThreatModel` of the attacks.
        warnings: list of str, the doubts of the free checks.
    """

    correct: np.ndarray
    clean: np.ndarray
    attacks: dict[str, np.ndarray]
    threat_model: ThreatModel
    warnings: list[str]

    @property
    def accuracy(self) -> float:
        """Robust accuracy in [0, 1]: the share of `correct`, the worst case over all attacks."""
        return float(self.correct.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `accuracy` (Wilson)."""
        return wilson_interval(int(self.correct.sum()), len(self.correct))

    @property
    def accuracies(self) -> dict[str, float]:
        """Accuracy by attack, "clean" among them."""
        return {name: float(c.mean()) for name, c in {CLEAN: self.clean, **self.attacks}.items()}

    def __repr__(self) -> str:  # print, a prompt and a notebook show this
        low, high = (100 * end for end in self.interval)
        lines = [
            f"robust accuracy {100 * self.accuracy:.2f} % (95 % interval {low:.2f} to {high:.2f} "
            f"%, n={len(self.correct)}), {self.threat_model}"
        ]
        lines += [f"  {name}: {100 * value:.2f} %" for name, value in self.accuracies.items()]
        return "\n".join([*lines, *(f"warning: {line}" for line in self.warnings)])


@in_float32()
def robust_accuracy(
    model: Any,
    x: Any,
    y: Any,
    *,
    attack: str | Attack | Preset | Sequence[str | Attack | Preset] = "standard",
    eps: float | str | None = None,
    norm: str | None = None,
    batch_size: int = 250,
    seed: int = 0,
    input_range: tuple[float, float] = UNIT_INTERVAL,
    jit_compile: bool = False,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> RobustAccuracy:
    """Attacks a classifier and returns which images it still classifies correctly.

    It measures without TensorFloat-32, as the commands do, and gives the setting back.

    Args:
        model: `keras.Model`, path of a SavedModel or of the folder of its versions, what
            `tf.saved_model.load` returns, or a function images -> logits. A dict output needs the
            entry "logits".
        x: images [n, ...], array or tensor; uint8, or float in `input_range`.
        y: labels, int [n] or one-hot [n, classes].
        attack: "standard", AutoAttack, or its versions "fast", "plus" and "rand". Or another name
            such as "pgd20", an attack object, or a list of these, all in one threat model. Each
            attacks all images; the members of AutoAttack attack the images that are still correct.
        eps: radius of the ball where [0, 1] is the range of a pixel, "8/255" is understood.
            Attack objects bring their own, and another eps or norm beside them is refused.
        norm: "linf" (default) or "l2".
        batch_size: images attacked together; the result does not depend on it.
        seed: Seed of the random draws; the draws of an image follow from seed and index.
        input_range: (low, high), the values that the model takes for black and white. A defense
            takes (0, 1).
        jit_compile: whether XLA compiles the attacks.
        cache: folder where finished images are kept, so that the same call goes on after a kill.
            A model is known by its weights and its layers' settings, not by code of your own. An
            attack of your own is known by its class name and fields.
        progress: whether to show progress bars.

    Returns:
        `RobustAccuracy`.

    Raises:
        ValueError: images outside `input_range`, labels that do not fit, a batch size below 1. An
            unknown attack or none, no eps, attacks in several threat models or in another box.
        RunError: logits that are not finite, an attack that left its ball or box.
    """
    whole_number("batch_size", batch_size, lowest=1)
    input_range = value_range("input_range", input_range)
    columns = _columns(attack, eps, norm)
    if cache:
        _refuse_untold_fields(columns)
    ball = _only_threat_model(columns)
    if eps is not None and not math.isclose(parse_magnitude(eps, "eps"), ball.eps, rel_tol=1e-6):
        raise ValueError(f"eps={eps}, but the attack has {ball}; leave eps out")
    if norm not in (None, ball.norm):
        raise ValueError(f"norm={norm!r}, but the attack has {ball}; leave norm out")
    if isinstance(model, (str, os.PathLike)):
        model = SavedSignature(newest_version(model))
    examples = Examples(images_in_unit_range(x, input_range, model), label_numbers(y))
    with warnings.catch_warnings(record=True) as said:
        outputs_fn, fixed_size = _outputs_of(model, input_range)
    evaluation = ClassifierEvaluation(
        outputs_fn,
        examples,
        seed=seed,
        identity=cache and {**identity_of(model), "input_range": list(input_range), "seed": seed},
        folder=cache,
        batch_size=fixed_size or batch_size,
        fixed_size=fixed_size is not None,
        jit_compile=jit_compile,
        progress=progress,
        say=None,
    )
    require_label_shape(y, len(examples), evaluation.checked.num_classes)
    evaluation.run(columns)
    doubts = [str(line.message) for line in said]
    doubts += [doubt.message for doubt in evaluation.checked.doubts]
    for line in doubts:
        warnings.warn(line, stacklevel=3)  # `in_float32` lies between
    return RobustAccuracy(
        correct=evaluation.worst_case(ball).correct,
        clean=evaluation.correct(Column(CLEAN)),
        attacks={o.name: o.correct for o in evaluation.outcomes if o.name != CLEAN},
        threat_model=ball,
        warnings=doubts,
    )


def _columns(attack, eps, norm):
    norm = "linf" if norm is None else norm
    columns, attacks = [], attack if isinstance(attack, (list, tuple)) else [attack]
    for one in attacks:
        if isinstance(one, str) and eps is None:
            raise ValueError("eps is missing, the radius of the ball, e.g. eps='8/255'")
        if isinstance(one, str) and one in auto_attack.VERSIONS:
            one = auto_attack.AutoAttack(pixel_ball(eps, norm), version=one)
        elif isinstance(one, str):
            one = _preset(one, pixel_ball(eps, norm))
        elif not isinstance(getattr(one, "threat_model", None), ThreatModel):
            raise ValueError(
                f"attack={one!r}: expected a name such as 'pgd20', or an attack such as "
                "PGD(eps='8/255')"
            )
        elif not isinstance(one, (Preset, auto_attack.AutoAttack)):
            kind = type(one).__name__
            alone = sum(type(other).__name__ == kind for other in attacks) == 1
            one = Preset(kind if alone else str(one), one)
        if isinstance(one, Preset):
            columns.append(Column(one.name, one))
            continue
        ball = one.threat_model
        columns += ensemble_columns(one.version, lambda name: presets.get(name, ball))
    _refuse_one_name_of_two(columns)
    return columns


def _refuse_one_name_of_two(columns):
    """A table has one line for a name, which would hide the other attack."""
    known = {CLEAN: None}
    for column in columns:
        if not _equal(known.setdefault(column.name, column.preset), column.preset):
            raise ValueError(
                f"two different attacks are called {column.name!r}; give their classes other names"
            )


def _equal(first, second):
    try:
        return first == second
    except ValueError:  # NumPy compares no arrays as a whole: two objects are two attacks
        return first is second


def _refuse_untold_fields(columns):
    for attack in (column.preset.attack for column in columns):
        if names := untold(attack):
            raise ValueError(
                f"cache= does not know two {type(attack).__name__} apart by {', '.join(names)}: "
                "its fields must be numbers, text or tuples of these; leave cache out"
            )


def _preset(name, ball):
    try:
        return presets.get(name, ball)
    except presets.UnknownAttack as error:
        versions = auto_attack.VERSIONS
        allowed = f"{', '.join(versions)}; {presets.ALLOWED}"
        unknown = presets.suggested(name, versions)
        raise ValueError(f"unknown attack {unknown}; allowed: {allowed}") from error


def _only_threat_model(columns):
    balls = {column.threat_model for column in columns}
    if len(balls) != 1:
        found = " and ".join(sorted(map(str, balls))) or "no attack"
        raise ValueError(f"one call measures one threat model, got {found}")
    (ball,) = balls
    if (ball.lower, ball.upper) != UNIT_INTERVAL:
        raise ValueError(
            f"the attack's pixels lie in [{ball.lower:g}, {ball.upper:g}]; here they lie in "
            "[0, 1], as eps does, and input_range= says what the model takes"
        )
    return ball


def _outputs_of(model, input_range):
    """Returns (images in [0, 1] to outputs, the only batch size that the model takes or None)."""
    model = model.loaded if isinstance(model, SavedSignature) else model
    logits_fn, (low, high) = logits_of(model), input_range
    fixed_size = getattr(logits_fn, "batch_size", None)
    if input_range == UNIT_INTERVAL:
        return logits_fn, fixed_size
    return lambda images: logits_fn(low + (high - low) * images), fixed_size
