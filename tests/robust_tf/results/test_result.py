import dataclasses
import hashlib
import json

import keras
import numpy as np
import pytest

from robust_tf.checks.sanity_checks import Check
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.results import jsonl, result
from robust_tf.results.check_records import append_checks
from robust_tf.results.result import (
    Result,
    append_results,
    bootstrap_interval,
    measured_share,
    measured_value,
    read_results,
    versions,
    weights_hash,
    wilson_interval,
    worst_case,
)
from robust_tf.threat_model import ThreatModel

RESULT = Result(
    dataset="digits",
    split="test",
    n=360,
    method="AT",
    training_seed=3,
    model="digits_cnn",
    attack="pgd20",
    attack_settings={"steps": 20, "step_size": 0.01, "restarts": 1, "random_start": True},
    threat_model={"eps": 0.15, "norm": "linf", "lower": 0.0, "upper": 1.0},
    metric="accuracy",
    value=0.75,
    correct=270,
    interval=(0.7, 0.8),
    precision="float32",
    seed=3,
    weights_hash="ab12",
    versions={"python": "3.11"},
)
OTHER = dataclasses.replace(RESULT, attack="clean", attack_settings={}, threat_model={})


ABOUT = {"dataset": "digits", "split": "test", "method": "AT", "model": "digits_cnn"}
ABOUT |= {"training_seed": 3, "seed": 4, "precision": "mixed_bfloat16", "weights_hash": "ab"}
CORRECT = np.array([True, True, False, True])


def test_a_share_says_what_was_measured():
    threat_model = ThreatModel("8/255")
    attack = {"attack": "2pgd3", "settings": {"steps": 3}, "threat_model": threat_model}
    attacked = measured_share(ABOUT, "accuracy", CORRECT, **attack)
    clean = measured_share(ABOUT, "accuracy", CORRECT)

    assert (attacked.n, attacked.correct, attacked.value) == (4, 3, 0.75)
    assert attacked.metric == "accuracy" and attacked.interval == wilson_interval(3, 4)
    assert {name: getattr(attacked, name) for name in ABOUT} == ABOUT
    assert (attacked.attack, attacked.attack_settings) == ("2pgd3", {"steps": 3})
    assert attacked.threat_model["eps"] == pytest.approx(8 / 255)
    assert (clean.attack, clean.attack_settings, clean.threat_model) == ("clean", {}, {})
    assert clean.versions == versions()


def test_a_value_counts_nothing():
    found = measured_value(ABOUT, "NMI", 0.5, 7)
    assert (found.value, found.n, found.correct, found.interval) == (0.5, 7, None, None)


def test_worst_case_is_never_above_any_of_them():
    random = np.random.default_rng(0)
    for _ in range(50):
        outcomes = random.random([random.integers(1, 6), 30]) < random.random()
        worst = worst_case(outcomes)
        np.testing.assert_array_equal(worst, [all(column) for column in outcomes.T])
        assert worst.mean() <= outcomes.mean(axis=1).min()


def test_results_come_back_equal_and_in_order(tmp_path):
    path = tmp_path / "results.jsonl"
    member = measured_share(ABOUT, "accuracy", CORRECT, attack="fab", after=["clean", "apgd-ce"])
    append_results(path, [RESULT])
    append_results(path, [OTHER, member])

    assert read_results(path) == [RESULT, OTHER, member]
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert member.column == "fab after clean, apgd-ce" and RESULT.column == "pgd20"
    assert read_results(tmp_path / "none.jsonl") == []


def test_fields_of_a_newer_version_are_kept(tmp_path):
    path = tmp_path / "results.jsonl"
    append_results(path, [RESULT])
    newer = {**jsonl.read(path)[0], "carbon": [1, {"unit": "g"}]}
    path.write_text(jsonl.text([newer]))

    (found,) = read_results(path)
    assert dataclasses.replace(found, more={}) == RESULT
    append_results(path, [found])
    assert jsonl.read(path) == [newer, newer]


def test_a_line_without_a_field_is_left_out_with_a_warning(tmp_path):
    path = tmp_path / "results.jsonl"
    append_results(path, [RESULT, OTHER])
    lacking = {"dataset": "digits", "n": 360}
    path.write_text(json.dumps(lacking) + "\n" + path.read_text())

    with pytest.warns(UserWarning, match="a line without attack is no result"):
        assert read_results(path) == [RESULT, OTHER]


@pytest.mark.parametrize(
    "field, value",
    [
        *[(field, [1]) for field in ("n", "method", "value", "after", "warnings", "interval")],
        *[(field, None) for field in ("n", "attack", "threat_model", "value", "weights_hash")],
        *[(field, "x") for field in ("n", "value", "correct", "interval", "spread", "warnings")],
        ("interval", ["a", "b"]),
        ("warnings", [{"name": "no message"}]),
        ("threat_model", {"eps": "0.1", "norm": "linf"}),
        ("threat_model", {"eps": 0.1, "norm": "l7"}),
        ("attack_settings", []),
    ],
)
def test_a_line_of_other_values_is_left_out_with_a_warning(field, value, tmp_path):
    path = tmp_path / "results.jsonl"
    append_results(path, [RESULT])
    jsonl.append(path, [{**jsonl.read(path)[0], field: value}])
    with pytest.warns(UserWarning, match=f"a line with {field} .* is no result"):
        assert read_results(path) == [RESULT]


@pytest.mark.parametrize(
    "field, value", [("n", "9"), ("status", None), ("attack", 3), ("threat_model", {"eps": 1})]
)
def test_a_check_of_other_values_is_left_out(field, value, tmp_path):
    path = tmp_path / "checks.jsonl"
    append(path, [check("one")])
    jsonl.append(path, [{**jsonl.read(path)[0], "name": "two", field: value}])
    assert [line["name"] for line in RecordedRun(tmp_path, [RESULT], {}).checks()] == ["one"]


@pytest.mark.parametrize("correct, n", [(0, 10), (10, 10), (270, 360)])
def test_wilson_interval_solves_its_equation(correct, n):
    # The ends p are where the observed proportion lies 1.96 standard deviations of p away.
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    for p in {low, high} - {0.0, 1.0}:
        assert abs(correct / n - p) / np.sqrt(p * (1 - p) / n) == pytest.approx(1.959964, rel=1e-5)


def network(names=("a", "b")):
    layers = [keras.layers.Dense(2, name=names[0]), keras.layers.Dense(2, name=names[1])]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.set_weights([np.full(w.shape, i, np.float32) for i, w in enumerate(model.weights)])
    return model


def test_weights_hash_depends_on_the_weights_and_their_order_alone():
    base = weights_hash(network())
    assert len(base) == 2 * hashlib.sha256().digest_size and int(base, 16)
    assert weights_hash(network(names=("c", "d"))) == base

    changed, swapped = network(), network()
    changed.weights[0].assign(changed.weights[0] + 1e-7)
    values = swapped.get_weights()
    swapped.set_weights(values[2:] + values[:2])
    assert len({base, weights_hash(changed), weights_hash(swapped)}) == 3


def test_versions_name_what_a_number_depends_on():
    assert {"python", "tensorflow", "keras", "numpy", "robust_tf"} == set(versions())
    assert versions()["keras"] == keras.__version__


def append(path, checks, weights_hash=RESULT.weights_hash, eps=0.1):
    ball = ThreatModel(eps)
    about = {"weights_hash": weights_hash}
    append_checks(path, checks, about, n=9, attack="pgd20", threat_model=ball)


def check(name, status="green"):
    return Check(name, status, "figure", "advice")


def test_each_check_is_the_latest_of_the_weights(tmp_path):
    path = tmp_path / "checks.jsonl"
    append(path, [check("one", "red"), check("two")])
    append(path, [check("one")])
    append(path, [check("one", "red")], "others")
    found = RecordedRun(tmp_path, [RESULT], {}).checks()
    assert [(line["name"], line["status"]) for line in found] == [
        ("one", "green"),
        ("two", "green"),
    ]
    assert found[0]["n"] == 9 and found[0]["versions"]["tensorflow"]


def test_what_was_not_run_replaces_no_measured_check_of_the_threat_model(tmp_path):
    path, skipped = tmp_path / "checks.jsonl", Check("one", "amber", "not run", "advice")
    for checks, eps in (
        ([skipped, check("two")], 0.1),
        ([check("one", "red")], 0.1),
        ([skipped], 0.2),
        ([skipped, check("two", "amber")], 0.1),
    ):
        append(path, checks, eps=eps)
    run = RecordedRun(tmp_path, [RESULT], {})
    found = [[(line["name"], line["status"]) for line in group] for group in run.check_groups()]
    assert found == [[("one", "amber")], [("one", "red"), ("two", "amber")]]
    assert run.checks() == run.check_groups()[-1]
    assert RecordedRun(tmp_path / "elsewhere", [RESULT], {}).checks() == []


def test_a_torn_check_is_left_out_and_swallows_no_other(tmp_path):
    path = tmp_path / "checks.jsonl"
    append(path, [check("one"), check("two")])
    path.write_text(path.read_text()[:-20])
    append(path, [check("three")])
    run = RecordedRun(tmp_path, [RESULT], {})
    with pytest.warns(UserWarning, match="line 2 was cut off"):
        assert [line["name"] for line in run.checks()] == ["one", "three"]


def test_the_bootstrap_interval_of_a_share_is_near_the_exact_one(monkeypatch):
    values = np.repeat([0.0, 1.0], [60, 40])
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(0.4 - 1.96 * np.sqrt(0.24 / 100), abs=0.02)
    assert high == pytest.approx(0.4 + 1.96 * np.sqrt(0.24 / 100), abs=0.02)
    monkeypatch.setattr(result, "MOST_DRAWN", 7 * 100)
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval(np.ones(5)) == (1.0, 1.0)
