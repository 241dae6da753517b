"""python -m hm_tf.train: the smoke run, its continuation, and mistakes that end in one line."""

import dataclasses
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest

from hm_tf import train
from hm_tf.evaluation.closing_evaluation import UNTRAINED, of_training
from hm_tf.runs.training_run import MetricTrainingRun
from robust_tf import data
from robust_tf.results.result import append_results, read_results
from tla_tf import train as tla_train

EAGER = pytest.mark.usefixtures("eager")

SMOKE = "--flagfile=flags/hm/smoke.flags"


def weights(folder):
    return keras.models.load_model(folder / "final.keras").get_weights()


def test_results_of_the_unseen_classes(finished_smoke):
    results = {(r.attack, r.metric): r for r in read_results(finished_smoke / "results.jsonl")}
    assert len(results) == 8
    assert all(0 <= result.value <= 1 and result.n == 100 for result in results.values())
    assert results["clean", "R@1"].method == "HM[S,gLGA]&ICS"
    assert results["clean", "R@1"].correct == round(100 * results["clean", "R@1"].value)
    low, high = results["clean", "mAP"].interval
    assert low < results["clean", "mAP"].value < high
    assert results["ES", "R@1"].attack_settings["steps"] == 2


def test_what_is_reprinted_are_the_first_results_only(finished_smoke):
    own = read_results(finished_smoke / "results.jsonl")
    strong = dataclasses.replace(own[-1], value=0.0, attack_settings={"strength": "strong"})
    other = dataclasses.replace(own[-1], attack="TMA", metric="cosine")
    assert of_training([*own, strong, other, *own]) == own


def test_the_same_command_reprints_the_result_and_reads_no_image(
    finished_smoke, capsys, monkeypatch
):
    monkeypatch.setattr(data.Dataset, "load", None)
    before = (finished_smoke / "results.jsonl").read_text()
    assert train.main(["train", SMOKE, f"--workdir={finished_smoke}"]) == 0
    assert "R@1" in capsys.readouterr().out
    assert (finished_smoke / "results.jsonl").read_text() == before


@EAGER
def test_a_continued_run_equals_a_whole_one(tmp_path, monkeypatch):
    """The loss of the update before is part of a checkpoint: without it the destination would start
    anew."""
    # What is measured after training is not at stake.
    monkeypatch.setattr(MetricTrainingRun, "measure", lambda run, test: None)
    monkeypatch.setattr(MetricTrainingRun, "results_table", lambda run: "")
    folder, whole, short = tmp_path / "run", tmp_path / "whole", "--checkpoint_every=1"
    for steps, to in ((2, whole), (1, folder), (2, folder)):
        flags = [short, f"--train_steps={steps}", f"--workdir={to}"]
        assert train.main(["train", SMOKE, *flags]) == 0
    for one, other in zip(weights(whole), weights(folder), strict=True):
        np.testing.assert_array_equal(one, other)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]


@pytest.mark.parametrize(
    "defense, precision",
    # Without an attack, and with a flag of its own.
    [("none", "float32"), ("ses", "mixed_bfloat16")],
)
@EAGER
def test_a_baseline_runs(defense, precision, tmp_path):
    folder = tmp_path / "run"
    flags = [f"--defense={defense}", "--source=random", "--train_steps=2"]
    flags += [f"--precision={precision}"]
    assert train.main(["train", SMOKE, *flags, f"--workdir={folder}"]) == 0
    # Its flags replay, with the destination of the recipe among them; its ICS is off.
    said = (folder / "flags.txt").read_text().splitlines()
    assert "--destination=lga" in said and "--ics=0.0" in said
    replay = f"--flagfile={folder / 'flags.txt'}"
    assert train.main(["train", replay, f"--workdir={folder}"]) == 0
    assert {r.precision for r in read_results(folder / "results.jsonl")} == {precision}


@pytest.mark.parametrize(
    "flags, text",
    [
        (["--defense=act", "--ics=0.5"], "--ics goes with --defense=hm, not act; leave it out"),
        (["--defense=none", "--ics_margin=0.1"], "--ics_margin goes with --defense=hm"),
        (["--defense=unknown"], "unknown"),
        (["--defense=act", "--ics=0", "--destination=lga"], "--destination goes with --defense=hm"),
        (["--destination", "2", "--defense=none", "--ics=0"], "not none; leave it out"),
        (["--source=nearest"], "source"),
        (["--destination=nearest"], "unknown destination"),
        (["--destination=3"], "between -2 and 2"),
        (["--destination=math.pow"], "math.pow"),
        (["--destination=.x"], "cannot be imported"),
        (["--margin=0"], "--margin=0: --destination=lga divides by it"),
        (["--loss_bound=0", "--destination=gb:random"], "--loss_bound=0: "),
        (["--loss_bound=1", "--destination=-0.1"], "gradual --destination, not -0.1"),
        (["--defense=est", "--ics=0", "--loss_bound=1"], "--loss_bound goes with --defense=hm"),
        (["--ics=0", "--ics_margin=0.2"], "--ics_margin does nothing with --ics=0"),
        (["--ics=0", "--ics_triplet=a,p,n"], "--ics_triplet does nothing with --ics=0"),
        (["--ics_triplet=a,p,n", "--ics_margin=0.2"], "--ics_triplet=a,p,n has --margin"),
        (["--free=1"], "--free"),
        (["--free=4", "--pgd_steps=8"], "--free=M has M steps"),
        (["--free=4", "--awp=0.01"], "--free does not go with --awp"),
        (["--free=4", "--inner_attack=apgd"], "--free does not go with --inner_attack=apgd"),
        (["--inner_attack=n_fgsm", "--pgd_steps=2"], "goes with --inner_attack=pgd, apgd, not"),
        (["--free=4", "--destination=softhard"], "without an attack"),
        (["--defense=act", "--ics=0", "--free=4"], "--free goes with --defense=hm"),
        (["--distance=unnormalized", "--source=distance"], "of unit vectors only"),
        (["--gb_rise=0.2"], "--gb_rise goes with --destination=gb:SAMPLER"),
        (["--shift_weight=2"], "--shift_weight goes with --defense=ses"),
        (["--model=resnet99"], "resnet99"),
        (["--dataset=nowhere"], "allowed: digits, mnist, fashion_mnist, digit_pairs"),
        (["--eps=8"], "8/255"),
        (["--batch_size=30"], "--shard_size"),
        (["--held_out=49"], "says little"),
        (["--held_out=100000"], "both sides need two classes"),
        (["--train_classes=/nowhere/classes"], "train_classes"),
        (["--limit_train=1"], "1 training images are of one class; metric learning needs two"),
        (["--limit_test=1"], "two classes: take more images"),
        (["--eval_steps=1", "--eval_step_size=0.1"], "--eval_step_size does nothing with one step"),
        (["--pgd_steps=1", "--pgd_step_size=0.1"], "--pgd_step_size does nothing with one step"),
        (["--pgd_step_size=0"], "--pgd_step_size=0: steps of no length attack nothing"),
        (["--defense=none", "--pgd_steps=3"], "--pgd_steps goes with --defense=hm, est"),
        (["--bn=frozen"], "--bn=frozen: digits_embedding has no batch norm"),
        (["--image_size=16"], "--image_size goes with --dataset=cub200, cars196, sop, folder"),
        (["--on_bad_image=skip"], "sop, folder, not digits; leave it out"),
    ],
)
def test_mistakes_end_in_one_line(flags, text, tmp_path, capsys):
    folder = tmp_path / "run"
    assert train.main(["train", SMOKE, *flags, f"--workdir={folder}"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and text in lines[0]
    assert not folder.exists()


def test_a_run_of_the_other_paper_is_refused(finished_smoke, capsys):
    smoke = "--flagfile=flags/tla/smoke.flags"
    assert tla_train.main(["train", smoke, f"--workdir={finished_smoke}"]) == 2
    assert "another run" in capsys.readouterr().err


@EAGER
def test_equal_names_are_said_to_skip_the_attack(tmp_path, capsys):
    flags = ["--destination=softhard", "--train_steps=1", f"--workdir={tmp_path / 'run'}"]
    assert train.main(["train", SMOKE, *flags]) == 0
    plan, _ = capsys.readouterr().out.split("1/1", 1)
    assert "both softhard: the attack is skipped, this is regular training\n" in plan


@pytest.fixture
def own_destinations(monkeypatch):
    """Destinations of the user's own, in a module on the path."""
    monkeypatch.syspath_prepend(pathlib.Path(__file__).parent / "triplets")


@pytest.mark.usefixtures("own_destinations")
def test_nan_of_a_destination_ends_in_one_line_that_names_it(tmp_path, capsys):
    flag = "--destination=test_destinations.nan_in_between"
    assert train.main(["train", SMOKE, flag, f"--workdir={tmp_path / 'run'}"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line == f"error: step 1: {flag} returned a value that is not finite"


@pytest.mark.usefixtures("own_destinations")
def test_another_shape_in_training_than_when_tried_out_names_the_flag(tmp_path, capsys):
    flag = "--destination=test_destinations.other_shape_later"
    assert train.main(["train", SMOKE, flag, f"--workdir={tmp_path / 'run'}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {flag} must return a number or one per triplet")
    assert line.endswith("shape () or (16,) here, not (7,)")


@EAGER
def test_fine_tuning_starts_from_the_other_run(finished_smoke, tmp_path, capsys):
    """At learning rate 0 the network stays where it started."""
    still = ["--learning_rates=0", "--train_steps=1", "--seed=5"]
    start = [f"--init_from={finished_smoke}", f"--workdir={tmp_path / 'run'}"]
    assert train.main(["train", SMOKE, *still, *start]) == 0
    assert f"weights from {finished_smoke}, step 8" in capsys.readouterr().out
    for one, other in zip(weights(finished_smoke), weights(tmp_path / "run"), strict=True):
        np.testing.assert_array_equal(one, other)
    found = {
        r.metric: r for r in read_results(tmp_path / "run/results.jsonl") if r.attack == "clean"
    }
    # The network has not changed, and neither has its retrieval.
    assert found["R@1 before training"].correct == found["R@1"].correct
    trained = {r.metric: r for r in read_results(finished_smoke / "results.jsonl")}
    assert trained["R@1 before training"].correct != found["R@1"].correct


def test_what_was_measured_before_training_is_not_measured_again(finished_smoke, tmp_path):
    """A training that was stopped while it was measured."""
    folder = shutil.copytree(finished_smoke, tmp_path / "run")
    before, *others = read_results(folder / "results.jsonl")
    assert before.metric == UNTRAINED
    (folder / "results.jsonl").unlink()
    append_results(folder / "results.jsonl", [dataclasses.replace(before, value=0.125)])
    assert train.main(["train", SMOKE, f"--workdir={folder}"]) == 0
    known, *measured = read_results(folder / "results.jsonl")
    assert known.value == 0.125 and measured == others


def test_two_sources_of_first_weights_are_refused(tmp_path, capsys):
    both = [f"--init_from={tmp_path}", "--init_weights=imagenet", "--model=resnet18"]
    assert train.main(["train", SMOKE, *both, f"--workdir={tmp_path / 'run'}"]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_the_default_data_teach_something(tmp_path):
    """With few updates of a weak attack: retrieval of classes that did not train gets better."""
    short = ["--train_steps=80", "--checkpoint_every=80", "--pgd_steps=1", "--ics=0"]
    measured = ["--limit_test=200", "--eval_steps=1", f"--workdir={tmp_path / 'run'}"]
    assert train.main(["train", *short, *measured]) == 0
    found = read_results(tmp_path / "run" / "results.jsonl")
    clean = {result.metric: result.value for result in found if result.attack == "clean"}
    assert {result.dataset for result in found} == {"digit_pairs"}
    assert clean["R@1"] > 4 * clean["R@1 before training"] > 0
