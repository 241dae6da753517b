"""Curves of accuracy: their axis begins at 0, and the caption says how sure the points are."""

import pytest
from made_results import BALL, made

from robust_tf.results.result import wilson_interval
from tla_tf.analysis.accuracy_curves import OVER_EPS, OVER_STEPS, curve_figures


def over_eps(eps, correct):
    ball = {**BALL, "eps": eps}
    return made("pgd20", correct / 100, threat_model=ball, **sure(correct, OVER_EPS))


def over_steps(step, correct):
    return made("pgd20", correct / 100, attack_settings={"step": step}, **sure(correct, OVER_STEPS))


def sure(correct, metric):
    return {"n": 100, "interval": wilson_interval(correct, 100), "metric": metric}


@pytest.mark.parametrize("measured", [over_eps, over_steps])
def test_the_fall_of_a_single_image_is_no_cliff_and_its_interval_is_said(measured):
    results = [measured(place, 51 - (place > 0)) for place in range(4)]
    few = made("pgd20", 0.5, n=4, interval=wilson_interval(2, 4))  # of no curve
    results.append(few)
    ((figure, caption),) = curve_figures([("TLA", results)])
    low, high = figure.axes[0].get_ylim()
    assert low <= 0 and high < 60
    assert caption.endswith(" 95 % intervals: at most ± 9.7 points.")
