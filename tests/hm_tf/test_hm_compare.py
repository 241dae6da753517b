"""python -m hm_tf.compare on records made by hand: rows, directions, who is ahead."""

import dataclasses
import json

import numpy as np
import pytest
from ranking_results import PRINTED, attacked, clean, result

from hm_tf import compare
from hm_tf.options import TRAIN
from hm_tf.reporting import score_matrix as score_matrix_module
from hm_tf.reporting.score_matrix import score_matrix
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.results.result import append_results

FLAGS = TRAIN.resolve(["--dataset=cub200", "--defense=hm"])


def records(method, printed=PRINTED, recall=0.372):
    settings = {**attacked()[0].attack_settings, "over": ["ES", "LTM", "GTM"]}
    value = printed["LTM"] / 100
    interval = value - 0.01, value + 0.01
    worst = result("worst case", "R@1", value, settings=settings, interval=interval)
    return [
        dataclasses.replace(found, method=method, weights_hash=method)
        for found in (*clean(recall=recall), *attacked(printed), worst)
    ]


def folder_of(path, method, printed=PRINTED, **changed):
    path.mkdir()
    append_results(path / "results.jsonl", records(method, printed))
    config = {"flags": {**FLAGS, **changed}, "class_names": ["a"], "images": None}
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_the_worst_case_of_recall_decides(tmp_path, capsys):
    weaker = {**PRINTED, "LTM": 3.0, "TMA": 0.9}
    first = folder_of(tmp_path / "a", "ACT[R]", weaker, defense="act", source="random", ics=0.0)
    second = folder_of(tmp_path / "b", "HM[S,gLGA]", train_steps=100)
    page = tmp_path / "page.html"
    given = [f"--workdir={first},{second}", f"--html={page}"]
    assert compare.main(["compare", *given]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The trainings differ: train_steps ")
    assert "HM[S,gLGA] is ahead of ACT[R] by +10.20 points" in " ".join(out.split())
    assert "R@1, worst of ES, LTM, GTM, compat protocol" in out
    assert max(map(len, out.splitlines())) <= 100
    assert "source" not in out.split("attack ")[0]  # stands in the name of the method
    assert page.read_text().index("<svg") < page.read_text().index("<table")


def test_a_low_value_may_be_the_better_one():
    runs = [
        RecordedRun(name, records(name, {**PRINTED, "TMA": tma}), {"flags": FLAGS})
        for name, tma in (("A", 0.9), ("B", 0.8))
    ]
    found = score_matrix(runs, TRAIN)
    assert found.names == ["A", "B"]
    by_title = {row.title: row for row in found.rows}
    assert not by_title["TMA"].first.higher_is_better
    assert by_title["TMA"].difference("A", "B").value < 0
    assert by_title["ERS"].cells["A"].value < by_title["ERS"].cells["B"].value


def test_every_strength_with_all_columns_has_its_score():
    strict = attacked(
        {**PRINTED, "LTM": 3.2}, mode="fixed", strength="standard", method="A", weights_hash="A"
    )
    runs = [RecordedRun("A", [*records("A"), *strict], {"flags": FLAGS})]
    by_title = {row.title: row.first.result.value for row in score_matrix(runs, TRAIN).rows}
    assert by_title["ERS"] > by_title["ERS, fixed standard"] == pytest.approx(0.32455)
    alone = [RecordedRun("A", strict, {"flags": FLAGS})]
    assert "ERS, fixed standard" in {row.title for row in score_matrix(alone, TRAIN).rows}


def test_scores_of_the_same_queries_are_paired(monkeypatch):
    """A leads by 1 point of ERS in each query, so no doubt is left."""

    class Stored:
        def __init__(self, run):
            self.lead = 0.1 if str(run.path) == "A" else 0.0

        def of(self, result):
            low = {"GTM": self.lead}.get(result.attack, 0.0)
            return np.linspace(low, 0.8 + low, 50), "these queries"

    monkeypatch.setattr(score_matrix_module, "Outcomes", Stored)
    runs = [RecordedRun(name, records(name), {"flags": FLAGS}) for name in "AB"]
    by_title = {row.title: row for row in score_matrix(runs, TRAIN).rows}
    change = by_title["ERS"].difference("B", "A")
    assert change.value == pytest.approx(1.0) and change.interval == pytest.approx((1.0, 1.0))
    monkeypatch.setattr(Stored, "of", lambda self, result: None)
    by_title = {row.title: row for row in score_matrix(runs, TRAIN).rows}
    assert by_title["ERS"].difference("B", "A").interval is None


def test_a_mistake_is_one_line(tmp_path, capsys):
    assert compare.main(["compare"]) == 2
    assert "--workdir=RUN[,RUN2,...] is required" in capsys.readouterr().err
