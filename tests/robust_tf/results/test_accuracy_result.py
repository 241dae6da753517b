import dataclasses
import json

import numpy as np
import pytest

from robust_tf.attacks import presets
from robust_tf.attacks.presets import Preset
from robust_tf.evaluation.embedding_attack import EmbeddingAttack
from robust_tf.results.accuracy_result import (
    accuracy_result,
    attack_settings,
    worst_case,
)
from robust_tf.results.result import append_results, read_results, wilson_interval
from robust_tf.threat_model import ThreatModel

ABOUT = {"dataset": "digits", "split": "test", "method": "AT", "model": "digits_cnn"}
ABOUT |= {"training_seed": 3, "seed": 4, "precision": "mixed_bfloat16", "weights_hash": "ab"}
CORRECT = np.array([True, True, False, True])


def test_result_says_what_was_measured():
    threat_model = ThreatModel("8/255")
    settings = attack_settings(presets.get("2pgd3", threat_model), 10)
    attacked = accuracy_result(
        CORRECT, "2pgd3", ABOUT, settings=settings, threat_model=threat_model
    )
    clean = accuracy_result(CORRECT, "clean", ABOUT)

    assert (attacked.n, attacked.correct, attacked.value) == (4, 3, 0.75)
    assert attacked.metric == "accuracy" and attacked.interval == wilson_interval(3, 4)
    assert {name: getattr(attacked, name) for name in ABOUT} == ABOUT
    assert attacked.threat_model["eps"] == pytest.approx(8 / 255)
    assert (clean.attack, clean.attack_settings, clean.threat_model) == ("clean", {}, {})


@pytest.mark.parametrize(
    "name, expected",
    [
        ("2pgd3", {"steps": 3, "restarts": 2, "random_start": True, "momentum": None}),
        ("mim3", {"momentum": {"decay": 1.0, "form": "accumulate"}}),
        ("apgd-t", {"steps": 100, "targets": 9, "loss": "targeted DLR"}),
        ("square", {"queries": 5000, "p": 0.8}),
        ("fab-t", {"steps": 100, "targets": 9}),
        ("cleverhans-pgd3", {"name": "pgd", "steps": 3}),
    ],
)
def test_settings_of_every_kind_of_attack_can_be_stored(name, expected):
    settings = attack_settings(presets.get(name, ThreatModel("8/255")), 10)
    assert expected.items() <= settings.items() and "threat_model" not in settings
    assert json.loads(json.dumps(settings)) == settings


def test_what_differs_from_the_paper_is_in_the_settings():
    threat_model = ThreatModel("8/255")
    preset = presets.get("mim3", threat_model, "ema")
    assert attack_settings(preset, 10)["momentum"] == {"decay": 0.9, "form": "ema"}
    rounded = dataclasses.replace(preset, rounded=True)
    assert attack_settings(rounded, 10) == {**attack_settings(preset, 10), "rounded": True}


def test_settings_of_an_attack_around_another_can_be_stored():
    attack = EmbeddingAttack(presets.get("pgd3", ThreatModel("8/255")).attack, lambda x: x)
    settings = attack_settings(Preset("embedding", attack), 10)
    assert settings["pgd"]["steps"] == 3 and settings["pgd"]["threat_model"]["eps"] == 8 / 255
    assert json.loads(json.dumps(settings)) == settings


@pytest.mark.parametrize("classes, loss", [(2, "margin"), (3, "DLR"), (4, "targeted DLR")])
def test_the_loss_is_the_one_that_this_many_classes_allow(classes, loss):
    preset = presets.get("apgd-t", ThreatModel("8/255"))
    assert attack_settings(preset, classes)["loss"] == loss


def test_a_member_of_an_ensemble_says_what_came_before(tmp_path):
    result = accuracy_result(CORRECT, "apgd-t", ABOUT, after=["clean", "apgd-ce"])
    append_results(tmp_path / "results.jsonl", [result])
    assert read_results(tmp_path / "results.jsonl") == [result]
    assert result.column == "apgd-t after clean, apgd-ce"
    assert accuracy_result(CORRECT, "apgd-t", ABOUT).column == "apgd-t"


def test_worst_case_is_never_above_any_of_them():
    random = np.random.default_rng(0)
    for _ in range(50):
        outcomes = random.random([random.integers(1, 6), 30]) < random.random()
        worst = worst_case(outcomes)
        np.testing.assert_array_equal(worst, [all(column) for column in outcomes.T])
        assert worst.mean() <= outcomes.mean(axis=1).min()
