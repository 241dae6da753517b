"""Outcomes to records to the table, without a network."""

import dataclasses
import types

import numpy as np
import pytest
from ranking_results import clean

from hm_tf.evaluation.metric_evaluation import measured
from hm_tf.evaluation.ranking_records import row_results, strongest, worst
from hm_tf.evaluation.ranking_table import ranking_table
from hm_tf.evaluation.robustness_score import COLUMNS
from robust_tf.evaluation.doubts import Doubt
from robust_tf.results.result import doubted
from robust_tf.threat_model import ThreatModel

ABOUT = {
    "dataset": "digits",
    "split": "test",
    "method": "ACT[R]",
    "model": "m",
    "training_seed": 0,
    "precision": "float32",
    "seed": 0,
    "weights_hash": "ab",
}
PROTOCOL = {"steps": 32, "restarts": 1, "step_size": 3 / 255, "random_start": False}
STRONG = {"steps": 96, "restarts": 3, "random_start": True}


def outcomes(share):
    """Two queries; every measure is `share`, R@1 of the attacks holds for other queries."""
    found = {}
    for column in COLUMNS:
        found.setdefault(column.attack, {})[column.measure] = np.full(2, share)
    found["ES"]["R@1"], found["LTM"]["R@1"] = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    return found


def evaluation(collapsed=False):
    """What records of a row take from an evaluation."""
    test_set = types.SimpleNamespace(queries=np.arange(2), collapsed=collapsed, limited=False)
    pgd = types.SimpleNamespace(threat_model=ThreatModel(0.1))
    return types.SimpleNamespace(test_set=test_set, about=ABOUT, pgd=pgd)


def results(share, strength, settings, collapsed=False, names=None, mode="fixed"):
    found = {name: value for name, value in outcomes(share).items() if not names or name in names}
    settings = {**settings, "mode": mode, "strength": strength}
    return row_results(found, evaluation(collapsed), settings)


def test_records_of_a_row():
    found = {(r.attack, r.metric): r for r in results(0.25, "protocol", PROTOCOL)}
    assert len(found) == 12
    assert found["CA+", "rank"].value == 0.25 and found["CA+", "rank"].interval == (0.25, 0.25)
    assert found["ES", "R@1"].correct == 1 and found["ES", "R@1"].n == 2
    assert found["worst case", "R@1"].value == 0
    assert found["worst case", "R@1"].attack_settings["over"] == ["ES", "LTM", "GTM"]
    # Ranks 50, 75, 50, 75; cosine 75; distance 87.5; shares 50, 50, 25, 25.
    assert found["ERS", "ERS"].value == pytest.approx(0.5625)
    assert found["ERS", "ERS"].attack_settings["collapsed"] is False


def test_the_interval_of_the_score_is_over_queries():
    """A cosine of 0 and of 1: the other nine columns give 487.5 points, this one 100 and 0."""
    found = outcomes(0.25)
    found["TMA"]["cosine"] = np.array([0.0, 1.0])
    rows = row_results(found, evaluation(), PROTOCOL)
    assert rows[-1].metric == "ERS" and rows[-1].interval == pytest.approx((0.4875, 0.5875))
    assert next(r for r in rows if r.metric == "cosine").interval == (0.0, 1.0)


def test_a_subset_has_no_score():
    found = results(0.25, "protocol", PROTOCOL, names=("CA+", "TMA"))
    assert [(r.attack, r.metric) for r in found] == [("CA+", "rank"), ("TMA", "cosine")]
    table = ranking_table(found)
    assert "ERS" not in table and "R@1" not in table


def test_the_change_from_the_protocol_to_the_strong_attack():
    table = ranking_table(
        results(0.25, "protocol", PROTOCOL) + results(0.2, "strong", STRONG)
    ).splitlines()
    cells = {line.split()[1]: " ".join(line.split()[2:]) for line in table[2:5]}
    shown = "25.0 25.0 25.0 25.0 0.250 0.250 50.0 50.0 25.0 25.0 56.2"
    assert cells["protocol"] == shown
    shown = "-5.0 -5.0 -5.0 -5.0 -0.050 -0.050 +0.0 +0.0 -5.0 -5.0 -1.2"
    assert cells["change"] == shown
    assert max(map(len, table)) <= 100


def test_a_collapsed_network_has_no_score():
    both = results(1.0, "protocol", PROTOCOL, True) + results(1.0, "strong", STRONG, True)
    table = ranking_table(both).splitlines()
    assert [line.split()[-1] for line in table[2:5]] == ["collapsed", "collapsed", "-"]
    assert max(map(len, table)) <= 100
    (intervals,) = [line.split() for line in table if line.startswith("95 % interval")]
    assert intervals[-1] == "GTT"


def test_doubts_stand_below_the_metrics():
    recall = clean(recall=0.2)[:1]
    few = results(0.25, "protocol", PROTOCOL, True, names=("ES",))
    of_doubt = doubted(recall + few, [Doubt("collapsed", "collapsed: R@1 20.0 %")])
    lines = ranking_table(of_doubt).splitlines()
    assert lines[2].split()[0] == "20.0"
    assert lines[3:6] == ["", "! collapsed: R@1 20.0 %", ""]
    assert "!" not in ranking_table(recall + few)


def test_the_early_distance_of_compat_is_said():
    rows = {
        mode: results(0.2, "protocol", PROTOCOL, mode=mode)
        + results(0.2, "strong", STRONG, mode=mode)
        for mode in ("compat", "fixed")
    }
    assert "compat: ES:D of the protocol is one step early" in ranking_table(rows["compat"])
    assert "one step early" not in ranking_table(rows["fixed"])
    assert "one step early" not in ranking_table(results(0.2, "protocol", PROTOCOL, mode="compat"))


def test_fewer_queries_are_said_with_the_size_of_the_gallery():
    assert "2 queries in 5,924 images" in ranking_table(
        results(0.2, "protocol", {**PROTOCOL, "gallery": 5924})
    )


def test_a_radius_has_its_norm():
    row = [
        dataclasses.replace(r, threat_model={**r.threat_model, "norm": "l2"})
        for r in results(0.2, "protocol", PROTOCOL)
    ]
    assert "seed 0, eps 0.1 (l2), 32 steps of 3/255" in " ".join(ranking_table(row).split())


def test_the_legend_says_what_is_robust_and_how_sure_it_is():
    table = ranking_table(
        results(0.2, "protocol", PROTOCOL) + results(0.2, "strong", STRONG)
    ).splitlines()
    text = " ".join(line.strip() for line in table)
    assert "High is robust: CA+, QA+ (percentile" in text and "ES:R, LTM, GTM (R@1 in %)" in text
    assert "Low is robust: CA-, QA- (percentile), TMA (cosine), ES:D (distance, 0 to 2)." in text
    assert "2 queries, seed 0, eps 0.1" in text
    assert "ES:R, may rise with it, only worst may not" in text
    assert "correct under all three, ES, LTM, GTM (fixed): protocol 0.0 %" in text
    # Wilson's interval of 1 of 2, and of 0.4 of 2, which counts as none.
    (place,) = [number for number, line in enumerate(table) if line.startswith("95 % interval")]
    names = table[place].split()[3:]
    assert names == [column.name for column in COLUMNS] + ["ERS"]
    ends = [dict(zip(names, table[place + line].split()[3:])) for line in (2, 3)]
    assert [end["ES:R"] for end in ends] == ["9.5", "90.5"] and ends[1]["GTT"] == "65.8"
    few = ranking_table(results(0.2, "protocol", PROTOCOL, names=("TMA",)))
    assert "Low is robust: TMA (cosine)." in few and "High" not in few
    assert "0.20 to 0.20" in few


def test_the_clean_metrics_have_their_number_and_interval():
    table = ranking_table([measured("clean", "R@1", np.array([1.0, 0.0]), ABOUT)])
    assert table.splitlines()[0].split() == ["clean", "%", "R@1", "n", "R@1,", "95", "%"]
    assert table.splitlines()[2].split() == ["50.0", "2", "9.5", "to", "90.5"]


def test_the_strongest_run_is_that_of_the_highest_objective_query_by_query():
    first = {"objective": np.array([1.0, 5.0]), "R@1": np.array([1.0, 1.0])}
    second = {"objective": np.array([2.0, 4.0]), "R@1": np.array([0.0, 0.0])}
    best = strongest([first, second])
    np.testing.assert_array_equal(best["objective"], [2.0, 5.0])
    np.testing.assert_array_equal(best["R@1"], [0.0, 1.0])


def test_the_worst_is_by_what_is_measured():
    first = {"objective": np.array([9.0, 9.0]), "distance": np.array([0.1, 0.4])}
    second = {"objective": np.array([1.0, 1.0]), "distance": np.array([0.2, 0.3])}
    for run, hits in ((first, [1.0, 1.0]), (second, [1.0, 0.0])):
        run["R@1"] = np.array(hits)
    found = worst("ES", [first, second])
    np.testing.assert_array_equal(found["distance"], [0.2, 0.4])
    np.testing.assert_array_equal(found["R@1"], [1.0, 0.0])
