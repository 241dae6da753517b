"""Accuracy over the radius of the ball and over the steps of the attack."""

import dataclasses

from robust_tf.attacks import presets
from robust_tf.errors import UserError
from tla_tf.analysis.accuracy_curves import FEWEST, OVER_EPS, OVER_STEPS, curve_figures

RADII = tuple(k / 2 for k in range(9))  # 0 to 4 eps


def accuracy_over_eps(runs):
    """Records the accuracy of `AnalyzedRun`s in nine balls, from clean images to four times eps.

    Returns (figure, points by run and panel).
    """
    for run in runs:
        ball = run.preset.attack.threat_model
        for share in RADII:
            wider = dataclasses.replace(ball, eps=share * ball.eps)
            preset = presets.get(run.preset.name, wider)
            if share == 0:
                predictions = run.predictions
            elif share == 1:
                predictions = run.adversarial_predictions
            else:
                _, predictions = run.attack(preset)
            run.record_share(OVER_EPS, predictions == run.test.labels, preset=preset)
    return _drawn(runs)


def accuracy_over_steps(runs):
    """Records the accuracy of `AnalyzedRun`s at the start of the attack and after its steps.

    Returns (figure, points by run and panel).

    Raises:
        UserError: the attack is not one run of PGD, or has too few steps for a curve.
    """
    name, attack = runs[0].preset.name, runs[0].preset.attack
    if not hasattr(attack, "trajectory") or attack.restarts > 1:
        raise UserError(
            f"--attack={name}: the steps of one run of pgdN, bimN, mimN or cwN are shown"
        )
    for run in runs:
        correct = run.correct_after_steps()
        for step in _shown(attack.steps):
            run.record_share(OVER_STEPS, correct[:, step], settings={"step": step})
    return _drawn(runs)


def _shown(steps):
    """Every step up to ten, then ever fewer, and the last."""
    shown, step = [], 0
    while step < steps:
        shown.append(step)
        step = max(step + 1, round(1.2 * step))
    return [*shown, steps]


def _drawn(runs):
    found = list(curve_figures([(run.name, run.results) for run in runs]))
    if not found:
        raise UserError(
            f"a curve has {FEWEST} points; use more steps of the attack, or a larger --eps"
        )
    ((figure, _),) = found
    points = {
        axis.get_title(loc="left"): {
            line.get_label(): line.get_xydata().tolist() for line in axis.lines
        }
        for axis in figure.axes
    }
    return figure, points
