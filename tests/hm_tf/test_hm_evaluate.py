"""python -m hm_tf.evaluate and hm_tf.export on the finished smoke run, and their mistakes."""

import json
import os
import shutil
from signal import SIGKILL

import numpy as np
import pytest
from reliability import ENDS, Stop, stopped

from hm_tf import evaluate, export
from hm_tf.evaluation import ranking_evaluation
from hm_tf.evaluation.closing_evaluation import UNTRAINED
from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch
from hm_tf.evaluation.substitute import substitute_run
from hm_tf.runs.finished_run import FinishedRun
from robust_tf.errors import UserError
from robust_tf.evaluation.doubts import Doubt
from robust_tf.evaluation.retrieval import clustering_nmi
from robust_tf.results.result import read_results

EAGER = pytest.mark.usefixtures("eager")


@pytest.fixture
def run(finished_smoke, tmp_path):
    return shutil.copytree(finished_smoke, tmp_path / "run")


def command(run, *flags):
    return evaluate.main(["evaluate", f"--workdir={run}", *flags])


def new_results(run, *flags):
    before = len(read_results(run / "results.jsonl"))
    assert command(run, *flags) == 0
    return read_results(run / "results.jsonl")[before:]


def test_a_folder_that_takes_no_records_is_said_before_any_work(run, monkeypatch, capsys):
    monkeypatch.setattr("hm_tf.runs.finished_run.FinishedRun.network", None)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert command(run) == 2
    assert f"--workdir={run}: {run} is no folder to write to" in capsys.readouterr().err


def test_the_numbers_of_the_training_again(run, capsys):
    before = [r for r in read_results(run / "results.jsonl") if r.metric != UNTRAINED]
    new = new_results(run, "--limit_test=100", "--batch_size=128", "--attacks=es", "--mode=fixed")
    assert [result for result in new if result.metric != "distance"] == before
    said = capsys.readouterr().out
    assert "R@1" in said and "ERS" not in said
    assert "attacks stored before: 1; --fresh attacks again" in said


@EAGER
def test_all_columns_and_the_score(run, capsys):
    new = new_results(run, "--limit_test=60", "--batch_size=64", "--mode=compat")
    said = capsys.readouterr().out.splitlines()
    (header,) = [line for line in said if line.startswith("mode")]
    names = ["CA+", "CA-", "QA+", "QA-", "TMA", "ES:D", "ES:R", "LTM", "GTM", "GTT", "ERS"]
    assert header.split() == ["mode", "strength", *names]
    row, lows, highs = [line.split() for line in said if line.startswith("compat")]
    (score,) = [result for result in new if result.attack == "ERS"]
    assert row[-1] == f"{100 * score.value:.1f}"
    assert [lows[-1], highs[-1]] == [f"{100 * bound:.1f}" for bound in score.interval]
    assert (score.n, score.metric, score.attack_settings["collapsed"]) == (60, "ERS", False)


@EAGER
def test_doubts_are_said_and_recorded(run, capsys, monkeypatch):
    doubt = Doubt("zero gradients", "9 of 40 images have a zero gradient")
    monkeypatch.setattr(ranking_evaluation, "embedding_doubts", lambda *evaluation: [doubt])
    new = new_results(run, "--limit_test=40", "--attacks=tma", "--mode=fixed")
    assert {r.attack for r in new} == {"clean", "TMA"}
    assert all(r.warnings == (doubt._asdict(),) for r in new)
    said = capsys.readouterr().out
    assert f"warning: {doubt.message}" in said and f"! {doubt.message}" in said


@EAGER
def test_both_modes_and_strengths_of_an_attack(run, capsys):
    new = new_results(run, "--limit_test=40", "--attacks=ES", "--strength=strong", "--restarts=1")
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if line]
    strengths = ["protocol", "strong", "change", "worst"]
    expected = [[mode, s] for mode in ("compat", "fixed") for s in strengths]
    shown = [row for row in rows if row[0] in ("compat", "fixed")]
    assert shown[:8] == expected
    assert shown[8:] == [row for row in expected if row[1] != "change"]  # the intervals
    distance = {
        r.attack_settings["strength"]: r.value
        for r in new
        if r.metric == "distance" and r.attack_settings["mode"] == "fixed"
    }
    assert distance["protocol"] <= distance["strong"] <= distance["worst"]


@EAGER
def test_other_images_steps_and_precision(run):
    flags = ["--limit_test=40", "--eval_steps=3", "--precision=mixed_bfloat16", "--batch_size=16"]
    new = new_results(run, *flags, "--attacks=ES,tma", "--mode=compat", "--eps=8/255", "--seed=3")
    assert {(r.n, r.precision, r.method, r.seed) for r in new} == {
        (40, "mixed_bfloat16", "HM[S,gLGA]&ICS", 3)
    }
    attacked = [r for r in new if r.attack != "clean"]
    assert [(r.attack, r.metric) for r in attacked] == [
        *(("TMA", "cosine"), ("ES", "distance"), ("ES", "R@1"))
    ]
    assert {r.attack_settings["steps"] for r in attacked} == {3}
    assert {r.threat_model["eps"] for r in attacked} == {8 / 255}


@EAGER
def test_without_attacks(run, capsys):
    new = new_results(run, "--attacks=none")
    assert [r.metric for r in new] == ["R@1", "R@2", "mAP", "MAP@R", "MAP@10", "NMI"]
    assert "ERS" not in capsys.readouterr().out


def test_nmi_is_the_mean_of_five_clusterings(run):
    nmi = new_results(run, "--attacks=none", "--limit_test=60")[-1]
    found = FinishedRun(run)
    examples = found.test_images(60)
    embeddings = embed(embedding_of_batch(found.network()), examples, 60)
    drawn = [clustering_nmi(embeddings, examples.labels, seed) for seed in range(5)]
    assert nmi.value == pytest.approx(np.mean(drawn), abs=1e-6)
    assert nmi.spread == pytest.approx(np.std(drawn, ddof=1), abs=1e-6) and nmi.spread > 0


@EAGER
def test_some_queries_against_the_whole_gallery(run, capsys):
    flags = ["--limit_test=90", "--limit_queries=7", "--attacks=TMA,QA-", "--mode=fixed"]
    new = new_results(run, *flags, "--batch_size=30", "--eval_steps=1")
    assert {r.n for r in new if r.attack == "clean"} == {90}
    attacked = {r.attack: (r.n, r.attack_settings["gallery"]) for r in new if r.attack != "clean"}
    assert attacked == {"TMA": (7, 90), "QA-": (7, 90)}
    said = capsys.readouterr().out
    (header,) = [line for line in said.splitlines() if line.startswith("digits, HM")]
    assert "90 test images" in header and "7 of them are queries" in header
    assert "draw the nearest one only" in header
    assert "7 queries in 90 images" in said


def collapse(run):
    network = FinishedRun(run).network()
    *others, bias = network.get_weights()
    network.set_weights([*(0 * weight for weight in others), bias + 1])
    network.save(run / "final.keras")
    (run / "digest.json").unlink()


@pytest.mark.parametrize("attacks", ["ES", "none"])
@EAGER
def test_a_collapsed_network_is_named_below_the_clean_metrics(run, capsys, attacks):
    collapse(run)
    new_results(run, f"--attacks={attacks}", "--mode=fixed", "--limit_test=30", "--eval_steps=1")
    lines = capsys.readouterr().out.splitlines()
    (place,) = [n for n, line in enumerate(lines) if line.startswith("clean %")]
    assert lines[place + 4].startswith("! collapsed: R@1 0.0 %")
    assert lines[place + 5].startswith("! 30 of 30 images have a zero")


@EAGER
def test_the_profiles_of_the_authors(run):
    flags = ["--attacks=TMA", "--mode=fixed", "--limit_test=12", "--eval_steps=1"]
    (result,) = [r for r in new_results(run, "--profile=rob28", *flags) if r.attack == "TMA"]
    assert result.threat_model["eps"] == 77 / 255


@EAGER
def test_a_substitute_that_is_the_same_network(run, finished_smoke, capsys):
    flags = [
        "--attacks=CA+,TMA",
        "--mode=fixed",
        "--limit_test=60",
        f"--substitute={finished_smoke}",
    ]
    new = [r for r in new_results(run, *flags) if r.attack != "clean"]
    white = {r.attack: r.value for r in new if r.attack_settings["strength"] == "protocol"}
    black = {r.attack: r.value for r in new if r.attack_settings["strength"] == "transfer"}
    assert white == black and len(white) == 2
    assert "made on HM[S,gLGA]&ICS seed 0" in capsys.readouterr().out


def edited(run, folder, **flags):
    """A copy of the run with other flags."""
    shutil.copytree(run, folder)
    config = json.loads((folder / "config.json").read_text())
    class_names = flags.pop("class_names", config["class_names"])
    config |= {"flags": config["flags"] | flags, "class_names": class_names}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "digest.json").unlink()
    return folder


def of_classes(run, folder, *names):
    """A copy of the run that trained on those classes."""
    path = folder.with_suffix(".txt")
    path.write_text("\n".join(names))
    return edited(run, folder, train_classes=str(path))


def test_a_substitute_of_other_images(run, tmp_path, capsys):
    other = edited(run, tmp_path / "other", dataset="mnist")
    assert command(run, f"--substitute={other}") == 2
    line = capsys.readouterr().err
    assert "has the data set mnist, the evaluated run digits" in line


@pytest.mark.parametrize("classes", [["4", "3", "2", "1", "0"], ["0", "2"]], ids=str)
def test_a_substitute_of_no_class_that_is_searched(classes, run, tmp_path):
    other = of_classes(run, tmp_path / "other", *classes)
    assert substitute_run(other, FinishedRun(run)).folder.path == other


def test_a_substitute_that_was_trained_on_what_is_searched(run, tmp_path, capsys):
    one = of_classes(run, tmp_path / "one", "0", "1", "2")
    other = of_classes(run, tmp_path / "other", "0", "1", "8")
    assert command(one, f"--substitute={other}") == 2
    said = capsys.readouterr().err
    assert "was trained on classes that are searched here: 8; name" in said


def test_a_substitute_of_another_folder(run, tmp_path):
    runs = []
    for name, classes in (("one", "abcd"), ("other", "cdef")):
        for letter in classes:
            (tmp_path / "data" / name / letter).mkdir(parents=True)
            (tmp_path / "data" / name / letter / "1.png").touch()
        flags = {"dataset": "folder", "data_dir": str(tmp_path / "data" / name)}
        runs.append(edited(run, tmp_path / name, **flags, class_names=list(classes)))
    with pytest.raises(UserError, match="knows the 4 classes c, d, e, f") as caught:
        substitute_run(runs[1], FinishedRun(runs[0]))
    assert "\n" not in str(caught.value)


def lines_of(run):
    return sum(path.read_text().count("\n") for path in run.glob("evaluation/*"))


def test_killed_twice_the_result_is_the_same(run, tmp_path):
    """In the protocol's run of an attack, and in a strong one."""
    flags = ["--attacks=TMA", "--strength=strong", "--mode=fixed", "--limit_test=48"]
    flags += ["--restarts=2", "--batch_size=4"]
    shutil.rmtree(run / "evaluation")
    untouched = shutil.copytree(run, tmp_path / "untouched")
    given = [f"--workdir={run}", *flags]
    for event, lines in ((9, 6), (30, 19)):
        stop = Stop(event=event, place="evaluation")
        assert stopped("hm_tf.evaluate", given, run, tmp_path / "said.txt", stop) in ENDS[SIGKILL]
        assert lines_of(run) == lines
    assert new_results(run, *flags) == new_results(untouched, *flags)
    stored = {path.name: path.read_text() for path in run.glob("evaluation/*")}
    assert stored == {path.name: path.read_text() for path in untouched.glob("evaluation/*")}


@EAGER
def test_checks_are_printed_and_stored(run, capsys, monkeypatch):
    from hm_tf.evaluation import embedding_checks

    monkeypatch.setattr(embedding_checks, "RESTARTS", 2)
    flags = ["--attacks=ES", "--mode=fixed", "--checks=quick", "--limit_test=60"]
    assert command(run, *flags, "--batch_size=64") == 0
    said = capsys.readouterr().out
    assert "checks of R@1 under ES" in said and "on 60 queries" in said
    stored = [json.loads(line) for line in (run / "checks.jsonl").read_text().splitlines()]
    assert len(stored) == 11
    found = {check["name"]: check for check in stored}
    assert "green" not in {check["status"] for check in stored}
    assert "too few: 60 queries of at least 100" in found["perturbations are legal"]["figure"]
    assert found["the score means something"]["figure"] == "not run"


def unfinished(run):
    (run / "final.keras").unlink()


def torn(run):
    (run / "final.keras").write_bytes(b"torn")


def of_the_other_paper(run):
    config = json.loads((run / "config.json").read_text())
    del config["flags"]["defense"]
    (run / "digest.json").unlink()
    (run / "config.json").write_text(json.dumps(config))


def not_finite(run):
    network = FinishedRun(run).network()
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    network.save(run / "final.keras")
    (run / "digest.json").unlink()


@pytest.mark.parametrize(
    "harm, flags, code, text",
    [
        (None, ["--workdir="], 2, "--workdir"),
        (None, ["--workdir=/nowhere"], 2, "holds no run"),
        (unfinished, [], 2, "python -m hm_tf.train --flagfile="),
        (torn, [], 1, "cannot be read"),
        (of_the_other_paper, [], 2, "another command"),
        (None, ["--data_dir=/nowhere"], 2, "/nowhere"),
        (None, ["--batch_size=0"], 2, "batch_size"),
        (None, ["--attacks=qa+,nosuch,bad"], 2, "unknown attacks: 'nosuch', 'bad'; allowed: CA+"),
        (None, ["--attacks="], 2, "allowed: CA+"),
        (None, ["--eps=8"], 2, "did you mean 8/255"),
        (None, ["--eval_step_size=8"], 2, "--eval_step_size=8: pixels are in [0, 1]; did you"),
        (None, ["--eval_steps=1", "--eval_step_size=0.1"], 2, "--eval_step_size does nothing"),
        (None, ["--eval_step_size=0"], 2, "--eval_step_size=0: steps of no length"),
        (None, ["--restarts=5"], 2, "--restarts goes with --strength=strong, not protocol"),
        (None, ["--limit_test=5"], 2, "images"),
        (None, ["--limit_test=1"], 2, "two classes: take more images"),
        (None, ["--substitute=/nowhere"], 2, "holds no run"),
        (not_finite, [], 1, "outputs of the network are not finite"),
    ],
)
def test_mistakes_end_in_one_line(harm, flags, code, text, run, capsys):
    if harm:
        harm(run)
    assert evaluate.main(["evaluate", f"--workdir={run}", *flags]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in lines if line.startswith("error: ")]
    assert len(lines) == 1 and text in lines[0]


@pytest.mark.parametrize("flags", [["--export_dir=x"], ["--workdir=x"]])
def test_export_needs_both_folders(flags, capsys):
    assert export.main(["export", *flags]) == 2
    assert "is required" in capsys.readouterr().err
