"""The standard attack on retrieval: worst case per query, early exit, intervals."""

import numpy as np
import pytest
from test_ranking_evaluation import evaluation

from hm_tf.evaluation import retrieval_standard
from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.ranking_table import ranking_table
from hm_tf.evaluation.retrieval_standard import bootstrap_interval, standard_members, standard_row
from hm_tf.evaluation.robustness_score import COLUMNS, printed, score
from hm_tf.ranking_attacks.registry import NAMES


@pytest.fixture(scope="module")
def small():
    """Few steps, runs and queries."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"STEPS": 4, "RESTARTS": 2, "QUERIES": 12}.items():
            patch.setattr(retrieval_standard, name, value)
        yield


@pytest.fixture(scope="module")
def measured(small, tmp_path_factory):
    """The evaluation, its records, and every run of every attack without early exit."""
    tested = evaluation(tmp_path_factory.mktemp("run"))
    runs = {
        name: [
            run
            for member in standard_members(tested.pgd.threat_model)
            for run in evaluation(tmp_path_factory.mktemp("all")).runs(name, "fixed", member)
        ]
        for name in ("QA+", "ES", "LTM", "GTT")
    }
    return tested, standard_row(tested, NAMES), runs


def test_each_value_is_the_worst_of_all_runs_of_a_query(measured):
    _, results, runs = measured
    found = {(r.attack, r.metric): r.value for r in results}
    for column in COLUMNS:
        if column.attack in runs:
            worst = np.min if column.high_is_robust else np.max
            of_each = worst([run[column.measure] for run in runs[column.attack]], axis=0)
            assert found[column.attack, column.measure] == pytest.approx(of_each.mean(), abs=1e-6)


def test_a_query_leaves_an_attack_whose_measure_is_zero(measured):
    tested, _, runs = measured
    apgd, square = standard_members(tested.pgd.threat_model)
    first = runs["LTM"][0]["R@1"]
    assert 0 < np.sum(first == 0)
    again = tested.runs("LTM", "fixed", apgd, until_zero=True)
    np.testing.assert_array_equal(np.isnan(again[1]["R@1"]), again[0]["R@1"] == 0)
    assert tested.stored[-1] == "LTM fixed standard APGD"
    assert not any(np.isnan(run["rank"]).any() for run in tested.runs("QA+", "fixed", square))


def test_every_record_has_an_interval_around_its_value(measured):
    _, results, _ = measured
    assert len(results) == len(COLUMNS) + 2 and results[-1].metric == "ERS"
    for result in results:
        low, high = result.interval
        assert low <= result.value + 1e-9 and result.value <= high + 1e-9
        assert result.attack_settings["strength"] == "standard"
    values = {c.name: printed(c, r.value) for c, r in zip(COLUMNS, results)}
    assert results[-1].value == pytest.approx(score(values) / 100)
    assert [r.attack for r in results].count(WORST_CASE) == 1


def test_the_table_says_what_the_row_is(measured):
    text = ranking_table(measured[1])
    assert "fixed  standard" in text and "bootstrap over queries" in text
    assert max(map(len, text.splitlines())) <= 160


def test_the_bootstrap_interval_of_a_share_is_near_the_exact_one():
    values = np.repeat([0.0, 1.0], [60, 40])
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(0.4 - 1.96 * np.sqrt(0.24 / 100), abs=0.02)
    assert high == pytest.approx(0.4 + 1.96 * np.sqrt(0.24 / 100), abs=0.02)
    assert bootstrap_interval(np.ones(5)) == (1.0, 1.0)
