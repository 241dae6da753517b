"""The areas of figure 5 are found again by the checks: those of these weights, measured last."""

import dataclasses

import pytest
from made_results import made

from robust_tf.evaluation.reference_images import reference_settings
from robust_tf.results.result import append_results
from robust_tf.threat_model import ThreatModel
from tla_tf.evaluation.detection_records import area_metric, latest_areas
from tla_tf.evaluation.evaluation_checks import detector_check

THREAT = ThreatModel("8/255")


def measured(unaware, aware, weights="own", eps="8/255", covariance="full", used=100):
    """The two records of one run of figure 5."""
    ball = dataclasses.asdict(ThreatModel(eps))
    about = {"weights_hash": weights, "threat_model": ball, "n": 720}
    about["attack_settings"] = reference_settings(used, 100)
    return [
        made("pgd", value, metric=area_metric("x", covariance, known=known), **about)
        for known, value in ((False, unaware), (True, aware))
    ]


LAST = measured(0.8, 0.6, covariance="diag")
ACCURACY = dataclasses.replace(LAST[0], metric="accuracy")


@pytest.mark.parametrize(
    "later",
    [
        [],
        [ACCURACY],
        measured(0.9, 0.9, weights="others"),
        measured(0.9, 0.9, eps="4/255"),
        measured(0.9, 0.9)[:1],  # interrupted
        measured(0.9, 0.9, used=50),
    ],
    ids=["nothing", "accuracy", "weights", "eps", "interrupted", "limited"],
)
def test_of_these_weights_in_this_ball_the_latest(later):
    results = [*measured(0.7, 0.2), *LAST, *later]
    assert latest_areas(results, "own", THREAT) == tuple(LAST)


def test_the_check_says_what_it_was_measured_on(tmp_path):
    path = tmp_path / "results.jsonl"
    append_results(path, [ACCURACY])
    check, of = detector_check(tmp_path, "own", THREAT)
    assert (check.status, check.figure, of) == ("amber", "not run", {})
    assert f"tla_tf.analyze --workdir={tmp_path} --outputs=figure5" in check.advice
    append_results(path, LAST)
    check, of = detector_check(tmp_path, "own", THREAT)
    assert check.status == "green" and of["n"] == 720
    assert check.figure == "AUC 0.800, under an attack that knows it 0.600, of 720 images"
