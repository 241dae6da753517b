"""The rules, each on both sides of its limit."""

import numpy as np
import pytest

from robust_tf.checks import sanity_checks as checks
from robust_tf.threat_model import ThreatModel

N = 1000


def right(count, n=N):
    """The first `count` of n images are correct."""
    return np.arange(n) < count


def path(final, best):
    return np.array([right(N), right(best), right(final)])


STEADY = np.arange(6.0).reshape(2, 3)
VERDICTS = [
    (checks.single_step(right(500), right(502)), "green"),
    (checks.single_step(right(500), right(504)), "amber"),
    (checks.single_step(right(500), right(520)), "red"),
    (checks.black_box(right(500), right(495)), "green"),
    (checks.black_box(right(500), right(480)), "red"),
    (checks.black_box(right(500), ~right(500)), "red"),
    (checks.budget({0: right(900), 1: right(500), 2: right(501)}), "green"),
    (checks.budget({0: right(900), 1: right(500), 2: right(510)}), "red"),
    (checks.unbounded(right(110), 10), "green"),
    (checks.unbounded(right(300), 10), "red"),
    (checks.converged(right(500), right(497)), "green"),
    (checks.converged(right(500), right(495)), "amber"),
    (checks.converged(right(500), right(400)), "red"),
    (checks.step_rule(right(500), right(486)), "green"),
    (checks.step_rule(right(500), right(450)), "amber"),
    (checks.step_rule(right(500), right(400)), "red"),
    (checks.restarts(right(500), right(490)), "green"),
    (checks.restarts(right(500), right(450)), "red"),
    (checks.restarts(right(500), right(450), reported=True), "amber"),
    (checks.restarts(right(500), right(500), reported=True), "green"),
    (checks.losses(right(500), right(470)), "green"),
    (checks.losses(right(500), right(400)), "red"),
    (checks.losses(right(400), right(500)), "green"),
    (checks.losses(right(47, 60), right(45, 60)), "green"),
    (checks.losses(right(47, 60), right(42, 60)), "red"),
    # 15 and 11 images fall to one alone: 4 of 60 more, which is chance.
    (checks.losses(right(30, 60), (np.arange(60) >= 15) & right(41, 60)), "green"),
    (checks.gradients(np.array([1e-30, 2.0])), "green"),
    (checks.gradients(np.array([0.0, 2.0])), "red"),
    (checks.gradients(np.array([np.nan, 2.0])), "red"),
    (checks.logits(np.array([[2.5, -0.5]]), "logits"), "green"),
    (checks.logits(np.array([[0.5, -0.4]]), "bounded"), "amber"),
    (checks.logits(np.array([[-0.7, -2.3]]), "softmax"), "red"),
    (checks.logits(np.array([[-0.7, 2.3]]), "sigmoid"), "red"),
    (checks.deterministic(np.ones([2, 3]), np.ones([2, 3])), "green"),
    (checks.deterministic(np.ones([2, 3]), np.ones([2, 3]) + 1e-12), "red"),
    (checks.deterministic(STEADY, STEADY, STEADY + 1e-6), "green"),
    (checks.deterministic(STEADY, STEADY, STEADY[::-1]), "red"),
    (checks.last_iterate(path(500, 500)), "green"),
    (checks.last_iterate(path(500, 400)), "red"),
    (checks.legal(np.array([0.1, 0.2]), 0.0, 1.0, ThreatModel(0.2)), "green"),
    (checks.legal(np.array([0.1, 0.21]), 0.0, 1.0, ThreatModel(0.2)), "red"),
    (checks.legal(np.array([0.1]), -0.01, 1.0, ThreatModel(0.2)), "red"),
    (checks.legal(np.array([27.700002]), 0.0, 1.0, ThreatModel(27.7, "l2")), "green"),
    (checks.legal(np.array([np.nan]), 0.0, 1.0, ThreatModel(0.2)), "red"),
    (checks.undefended_falls(right(10)), "green"),
    (checks.undefended_falls(right(300)), "red"),
    (checks.undefended_falls(None), "amber"),
    (checks.adaptive(right(500), right(500)), "green"),
    (checks.adaptive(right(500), right(400)), "red"),
    (checks.detector((0.9, 0.6, N), "measure"), "green"),
    (checks.detector((0.9, 0.4, N), "measure"), "amber"),
    (checks.detector(None, "measure"), "amber"),
    (checks.per_example(right(500), [right(505), right(700)]), "green"),
    (checks.per_example(right(300), [right(505), right(700)]), "red"),
]


@pytest.mark.parametrize("check, status", VERDICTS, ids=lambda v: getattr(v, "name", v))
def test_verdict(check, status):
    assert check.status == status, check
    assert check.figure and check.advice


def test_a_limit_is_never_tighter_than_one_image():
    assert checks.converged(right(5, 10), right(4, 10)).status == "green"
    assert checks.converged(right(5, 10), right(2, 10)).status == "red"


def test_on_few_images_nothing_is_green():
    found = [checks.converged(right(50, 99), right(n, 99)) for n in (50, 10)]
    few, red = checks.enough_images(found, 99)
    assert few.status == "amber" and "too few: 99 images" in few.figure
    assert red == found[1] and checks.enough_images(found, 100) == found
