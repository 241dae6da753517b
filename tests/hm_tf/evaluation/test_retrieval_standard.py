"""The standard attack on retrieval: worst case per query, early exit, intervals."""

import numpy as np
import pytest
import tensorflow as tf
from test_ranking_evaluation import evaluation

from hm_tf.evaluation import ranking_evaluation, retrieval_standard
from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.ranking_table import ranking_table
from hm_tf.evaluation.retrieval_standard import (
    standard_members,
    standard_outcomes,
    standard_results,
)
from hm_tf.evaluation.robustness_score import COLUMNS, printed, score
from hm_tf.ranking_attacks.registry import NAMES
from robust_tf import randomness
from robust_tf.attacks.square import Square
from robust_tf.results.result import doubted


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few steps, runs and queries."""
    for name, value in {"STEPS": 4, "RESTARTS": 2, "QUERIES": 12}.items():
        monkeypatch.setattr(retrieval_standard, name, value)


def test_each_value_is_the_worst_of_all_runs_of_a_query(tmp_path):
    assert_worst(evaluation(tmp_path), "QA+", "rank")


@pytest.mark.usefixtures("eager")
def test_each_value_is_the_worst_where_queries_leave_the_attack(tmp_path):
    assert_worst(evaluation(tmp_path, batch_size=24), "LTM", "R@1")


def assert_worst(tested, name, measure):
    [found, *_] = standard_results(tested, standard_outcomes(tested, [name]))
    members = standard_members(tested.pgd.threat_model)
    runs = [run for member in members for run in tested.runs(name, "fixed", member)]
    assert len(runs) == 3
    of_each = [min(values) for values in zip(*(run[measure] for run in runs))]
    assert found.value == pytest.approx(np.mean(of_each))
    again = tested.runs(name, "fixed", members[0], until_zero=True)
    left_out = np.isnan(again[1][measure])
    np.testing.assert_array_equal(left_out, (again[0][measure] == 0) & (name == "LTM"))
    assert left_out.any() == (name == "LTM")


def numbers(attack, *others, **settings):
    """Stands for a compiled attack: numbers that depend on the keys alone."""

    shares = not {"R@1", "top-4"}.isdisjoint(attack.measures)

    def attack_batch(images, rows, keys):
        drawn = randomness.uniform([images.shape[0], 3], keys)
        values = tf.cast(drawn > 0.5, tf.float32) if shares else drawn
        outputs = dict(zip(("objective", *attack.measures), tf.unstack(values, axis=1)))
        return {**outputs, "active": (outputs[attack.measures[0]] > 0) | (not attack.ends_at_zero)}

    return attack_batch


def test_every_record_has_an_interval_around_its_value_and_all_is_in_the_table(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(ranking_evaluation, "compile_ranking_attack", numbers)
    tested = evaluation(tmp_path)
    results = standard_results(tested, standard_outcomes(tested, NAMES))
    assert len(results) == len(COLUMNS) + 2 and results[-1].metric == "ERS"
    for result in results:
        low, high = result.interval
        assert low <= result.value + 1e-9 and result.value <= high + 1e-9
        assert result.attack_settings["strength"] == "standard"
    values = {c.name: printed(c, r.value) for c, r in zip(COLUMNS, results)}
    assert results[-1].value == pytest.approx(score(values) / 100)
    assert [r.attack for r in results].count(WORST_CASE) == 1
    text = ranking_table(results)
    assert "fixed standard, low" in text and "else by bootstrap" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("share, said", [(0.2, False), (0.3, True)])
def test_square_in_the_lead_is_a_red_light(tmp_path, monkeypatch, share, said):
    """It shows gradients that mislead; the records and the table say so."""

    def square_leads(attack, searched, *others, **settings):
        def attack_batch(images, rows, keys):
            square = isinstance(searched, Square)
            objective = tf.cast(rows, tf.float32) < share * len(tested.test_set.queries)
            zeros = tf.zeros(images.shape[0])
            outputs = dict.fromkeys(attack.measures, zeros + 0.5)
            return {
                **outputs,
                "objective": tf.cast(objective, tf.float32) if square else zeros,
                "active": tf.fill([images.shape[0]], True),
            }

        return attack_batch

    monkeypatch.setattr(ranking_evaluation, "compile_ranking_attack", square_leads)
    tested = evaluation(tmp_path)
    results = standard_results(tested, standard_outcomes(tested, ["QA+", "LTM"]))
    results = doubted(results, tested.doubts)
    lines = [line for line in ranking_table(results).splitlines() if "red light" in line]
    assert len(lines) == said
    assert not said or "Square gets further than APGD in QA+, LTM" in lines[0]
