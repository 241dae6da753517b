"""The command: tables, figures and records of one run and of two; restarts; mistakes."""

import errno
import json
import math
import os
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.attacks import presets
from robust_tf.errors import RunError
from robust_tf.evaluation.attack_column import Column
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.evaluation.reference_images import limited_reference
from robust_tf.models.output_of import output_of
from robust_tf.results.result import read_results
from robust_tf.threat_model import ThreatModel
from tla_tf import analyze, train
from tla_tf.analysis.accuracy_curves import OVER_EPS, OVER_STEPS
from tla_tf.analysis.embeddings_under_attack import embeddings_under_attack
from tla_tf.evaluation.detection_records import latest_areas
from tla_tf.runs.finished_run import FinishedRun

EAGER = pytest.mark.usefixtures("eager")

FIGURES = ("figure1", "figure2", "figure4", "figure5")


@pytest.fixture(autouse=True)
def quick_tsne(monkeypatch):
    monkeypatch.setattr("tla_tf.analysis.tsne.ITERATIONS", 300)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(finished, tmp_path / "run")


def command(run, *flags):
    return analyze.main(["analyze", f"--workdir={run}", "--attack=pgd2", "--batch_size=90", *flags])


def error_line(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    (line,) = lines
    return line


def test_all_outputs_of_a_run(run, capsys):
    before = len(read_results(run / "results.jsonl"))
    assert command(run, "--limit_test=180") == 0
    said = capsys.readouterr().out
    records = read_results(run / "results.jsonl")[before:]
    for record in records:
        shown = f"{record.value:.4f}" if isinstance(record.value, float) else f" {record.value} "
        assert record.metric in said and shown in said
    found = {(record.metric, record.attack): record for record in records}
    assert found["50-NN accuracy", "clean"].n == 180
    assert found["separation ratio", "pgd2"].value > 0
    assert found["separation ratio, true class", "pgd2"].threat_model["eps"] == 0.15
    for name in FIGURES:
        assert (run / "figures" / f"{name}.svg").read_text().startswith("<?xml")
    curves = json.loads((run / "figures" / "figure5.json").read_text())
    assert list(curves) == ["pgd2", "pgd2 knowing the detector"]
    metric = "misclassification detection AUC, full covariance"
    for attack, suffix in zip(curves, ("", ", detector known"), strict=True):
        assert found[metric + suffix, attack].value == curves[attack]["TLA, full covariance"]["auc"]
    both = [found[metric, "pgd2"], found[metric + ", detector known", attack]]
    assert list(latest_areas(records, both[0].weights_hash, ThreatModel(0.15))) == both
    settings = both[1].attack_settings
    assert settings["steps"] == 2 and settings["weights"][0] == 0
    assert train.main(["train", f"--flagfile={run / 'flags.txt'}", f"--workdir={run}"]) == 0
    assert "separation" not in capsys.readouterr().out  # the accuracies of the run only


@EAGER
def test_accuracy_over_eps_and_over_the_steps_of_the_attack(run):
    before = len(read_results(run / "results.jsonl"))
    outputs = "accuracy_over_eps", "accuracy_over_steps"
    assert command(run, f"--outputs={','.join(outputs)}", "--attack=pgd3", "--limit_test=60") == 0
    records = read_results(run / "results.jsonl")[before:]
    over_eps, over_steps = ([r for r in records if r.metric == m] for m in (OVER_EPS, OVER_STEPS))
    radii = [record.threat_model["eps"] for record in over_eps]
    assert radii == pytest.approx([0.075 * k for k in range(9)])
    assert [record.attack_settings["step"] for record in over_steps] == [0, 1, 2, 3]
    # The images and random starts of the evaluation: its numbers stand at their places.
    test = data.open("digits").load("test", limit=60)
    logits_fn = output_of(FinishedRun(run).network(), "logits")
    evaluation = ClassifierEvaluation(logits_fn, test, batch_size=90, say=None, progress=False)
    attacked = evaluation.correct(Column("pgd3", presets.get("pgd3", ThreatModel(0.15)))).mean()
    assert over_eps[2].value == over_steps[-1].value == pytest.approx(attacked)
    assert over_eps[0].value == pytest.approx(evaluation.correct(Column("clean")).mean())
    for name in outputs:
        assert (run / "figures" / f"{name}.svg").exists()
        ((_, lines),) = json.loads((run / "figures" / f"{name}.json").read_text()).items()
        assert len(lines["TLA"]) == len(over_eps if name == outputs[0] else over_steps)


@EAGER
def test_doubts_of_the_free_checks_stand_in_the_records(run, monkeypatch, capsys):
    built = FinishedRun.network

    def rounded(finished, *settings):
        """Without a gradient."""
        network = built(finished, *settings)
        (image,) = network.inputs
        return keras.Model(image, network(keras.ops.round(image)), name=network.name)

    monkeypatch.setattr(FinishedRun, "network", rounded)
    before = len(read_results(run / "results.jsonl"))
    assert command(run, "--outputs=table3", "--limit_test=60") == 0
    said = "60 of 60 images have a zero or non-finite gradient of the loss"
    out = capsys.readouterr().out
    assert f"warning: TLA: {said}" in out and f"\n! {said}" in out
    for record in read_results(run / "results.jsonl")[before:]:
        assert record.warnings[0]["message"].startswith(said)
        assert f"{record.value:.4f} !" in out


@EAGER
def test_two_runs_side_by_side_in_a_folder_of_their_own(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    before = len(read_results(run / "results.jsonl"))
    (other / "results.jsonl").unlink()  # trained, but not evaluated
    folder = tmp_path / "figures"
    flags = "--outputs=table2,figure2", "--format=png", f"--output_dir={folder}"
    assert command(f"{run},{other}", *flags, "--limit_test=90") == 0
    assert (folder / "figure2.png").read_bytes().startswith(b"\x89PNG")
    plotted = json.loads((folder / "figure2.json").read_text())
    assert set(plotted) == {"TLA, run", "TLA, other"}
    first, second = (read_results(path / "results.jsonl") for path in (run, other))
    assert first[before:] == second and len(second) == 5


@EAGER
def test_adversarial_images_against_natural_ones_and_the_companion_of_all(run):
    before = len(read_results(run / "results.jsonl"))
    flags = "--outputs=table2,figure5", "--positive=adversarial", "--all_adv", "--limit_test=90"
    assert command(run, *flags, "--covariance=diag", "--eps=0") == 0
    found = {r.metric: r.value for r in read_results(run / "results.jsonl")[before:]}
    # With radius 0 the attacked images are the natural ones: nothing tells them apart.
    assert found["adversarial detection AUC, diag covariance"] == 0.5
    assert found["adversarial detection AUC, diag covariance, detector known"] == 0.5
    ratio = found["separation ratio, true class, all attacked"]
    # The distances of a class's images from themselves count here: a little below 1.
    assert 0.8 < ratio < 1


@pytest.fixture
def colour_run(tmp_path):
    """A network that tells reddish from bluish 8x8 images, from a folder of files."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(("berry", "sky")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(60):
            pixels = rng.integers(0, 120, (8, 8, 3)) + 60 * np.eye(3, dtype=int)[2 * k]
            encoded = tf.io.encode_png(pixels.astype(np.uint8)).numpy()
            (tmp_path / "images" / name / f"{i}.png").write_bytes(encoded)
    command = ["train", "--dataset=folder", f"--data_dir={tmp_path / 'images'}", "--method=um"]
    size = "--model=digits_cnn", "--image_size=8", "--batch_size=16", "--train_steps=12"
    steps = "--learning_rates=0.01", "--boundaries=", "--checkpoint_every=12", "--optimizer=adam"
    folder = f"--workdir={tmp_path / 'run'}"
    assert train.main([*command, *size, *steps, folder, "--eval_attacks=clean"]) == 0
    return tmp_path / "run"


@EAGER
def test_colour_images_of_a_folder(colour_run):
    outputs = "figure1", "figure2", "figure4"
    assert command(colour_run, f"--outputs={','.join(outputs)}", "--format=png", "--eps=0.3") == 0
    for name in outputs:
        assert (colour_run / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    shown = json.loads((colour_run / "figures" / "figure4.json").read_text())["neighbours"]["UM"]
    assert len(set(shown["natural"]["labels"])) == 1  # in clean images the colour decides


@EAGER
def test_embeddings_belong_to_the_images_attacked(finished):
    run = FinishedRun(finished)
    network, test = run.network(), data.open("digits").load("test", limit=50)
    preset = presets.get("3pgd2", ThreatModel(0.1))
    settings = {"batch_size": 20, "seed": 3, "progress": False}
    found = embeddings_under_attack(network, test, preset, **settings)
    # Of many classes the logits of all images fill the memory.
    assert found["embedding"].shape == (50, 64) and "logits" not in found
    evaluation = ClassifierEvaluation(
        output_of(network, "logits"), test, seed=3, batch_size=50, say=None
    )
    expected = evaluation.correct(Column("3pgd2", preset))
    np.testing.assert_array_equal(found["prediction"] == test.labels, expected)
    assert 0 < expected.sum() < 50
    (image,) = embeddings_under_attack(network, test, preset, [47], keep=["image"], **settings)[
        "image"
    ]
    assert np.abs(image - test.images[47] / 255).max() <= 0.1 + 1e-6
    again = network(image[None], training=False)
    np.testing.assert_allclose(again["embedding"][0], found["embedding"][47], atol=1e-5)
    assert np.argmax(again["logits"]) == found["prediction"][47]


@pytest.mark.parametrize("output", ["embedding", "logits"])
def test_what_is_not_finite_is_no_measurement(output):
    test = data.open("digits").load("test", limit=3)
    good = {"embedding": np.ones([3, 2], np.float32), "logits": np.ones([3, 10], np.float32)}

    def measure(**wrong):
        outputs = {name: tf.constant(value) for name, value in {**good, **wrong}.items()}
        network = lambda images, training: outputs  # noqa: E731
        return embeddings_under_attack(network, test, None, batch_size=3, progress=False)

    assert measure()["prediction"].tolist() == [0, 0, 0]
    with pytest.raises(RunError, match="clean: outputs of the network are not finite"):
        measure(**{output: good[output] * np.nan})


MISTAKES = [
    ("--outputs=table2,table9", "'table9' (did you mean 'table3'?); allowed: table2"),
    ("--outputs=", "nothing was named"),
    ("--attack=nosuch", "'nosuch'"),
    ("--eps=8", "did you mean 8/255"),
    ("--format=gif", "svg|png"),
    ("--outputs=table3 --limit_train=40", "50 nearest neighbours"),
    ("--outputs=figure4 --limit_train=2", "3 nearest neighbours need as many training images"),
    ("--positive=nosuch", "misclassified|adversarial"),
    ("--outputs=figure5 --limit_train=15", "training images of every class"),
    ("--outputs=figure1 --limit_test=20", "perplexity"),
    ("--outputs=accuracy_over_steps --attack=2pgd2", "the steps of one run of pgdN"),
    ("--outputs=accuracy_over_steps --attack=pgd1", "a curve has 3 points"),
]


@EAGER
@pytest.mark.parametrize("flags, said", MISTAKES, ids=[flags for flags, _ in MISTAKES])
def test_mistakes_are_one_line(finished, flags, said, tmp_path, capsys):
    assert command(finished, *flags.split(), f"--output_dir={tmp_path / 'figures'}") == 2
    assert said in error_line(capsys)
    assert not (tmp_path / "figures").exists()


def change_flags(run, **changed):
    config = json.loads((run / "config.json").read_text())
    config["flags"].update(changed)
    (run / "digest.json").unlink(missing_ok=True)
    (run / "config.json").write_text(json.dumps({**config, "class_names": []}))


def test_runs_that_do_not_fit_together(run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    change_flags(other, eps="0.1")
    assert command(f"{run},{other}") == 2
    assert "different balls (linf eps=0.15, linf eps=0.1)" in error_line(capsys)
    change_flags(other, dataset="mnist")
    assert command(f"{run},{other}") == 2
    assert f"{other} of mnist" in error_line(capsys)
    assert command(f"{run},{run}") == 2
    assert "twice" in error_line(capsys)


def test_folders_without_a_finished_run(run, tmp_path, capsys):
    (run / "final.keras").unlink()
    assert command(run) == 2
    said = error_line(capsys)
    assert "no final weights yet" in said and "python -m tla_tf.train --flagfile=" in said
    assert command(tmp_path / "nowhere") == 2
    assert "holds no run" in error_line(capsys)
    assert analyze.main(["analyze"]) == 2
    assert "--workdir=RUN" in error_line(capsys)


@EAGER
def test_an_attack_without_effect_is_said_and_the_tables_stay(run, capsys):
    before = len(read_results(run / "results.jsonl"))
    assert command(run, "--outputs=figure2", "--eps=0", "--limit_test=40") == 1
    assert "figure2: the attack turns no image of TLA" in error_line(capsys)
    assert len(read_results(run / "results.jsonl")) == before
    assert command(run, "--outputs=table2,figure2", "--eps=0", "--limit_test=40") == 0
    said = capsys.readouterr().out
    assert "left out: figure2: the attack turns no image" in said and "larger --eps" in said
    metrics = [record.metric for record in read_results(run / "results.jsonl")[before:]]
    assert "separation ratio: classes left out" in metrics


@EAGER
def test_what_needs_more_images_is_left_out_and_leaves_no_record(run, capsys):
    before = len(read_results(run / "results.jsonl"))
    flags = "--outputs=figure1,table3,figure4,table2", "--limit_test=40", "--limit_train=49"
    assert command(run, *flags, "--eps=0.3") == 0
    said = capsys.readouterr().out
    assert "left out: table3: 50 nearest neighbours need as many training images, not 49" in said
    (line,) = [line for line in said.splitlines() if line.startswith("left out: figure1: t-SNE")]
    points = int(
        re.search("40 test images give ([0-9]+), natural or attacked images of digit", line)[1]
    )
    assert points <= 15 and f"use about {math.ceil(40 * 16 / points)} test images" in line
    assert (run / "figures/figure4.svg").exists() and not (run / "figures/figure1.svg").exists()
    metrics = {record.metric for record in read_results(run / "results.jsonl")[before:]}
    assert any("figure 4" in metric for metric in metrics) and "separation ratio" in metrics
    assert not any("figure 1" in metric or "50-NN" in metric for metric in metrics)


@EAGER
def test_the_numbers_of_a_figure_that_could_not_be_written_are_kept(run, monkeypatch, capsys):
    def full(figure, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = len(read_results(run / "results.jsonl"))
    monkeypatch.setattr("robust_tf.reports.panels.save_figure", full)
    assert command(run, "--outputs=table2,figure4", "--limit_test=40", "--eps=0.3") == 1
    metrics = {record.metric for record in read_results(run / "results.jsonl")[before:]}
    assert "separation ratio" in metrics and "figure 4: 3 nearest of the query's class" in metrics
    assert "figure 4: 3 nearest" in capsys.readouterr().out


def test_places_are_looked_at_before_any_work(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("robust_tf.data.dataset.Dataset.load", None)
    (tmp_path / "file").touch()
    assert command(run, f"--output_dir={tmp_path}/file/figures") == 2
    assert f"{tmp_path}/file is no folder to write to" in error_line(capsys)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert command(run) == 2
    assert f"--workdir={run}: {run} is no folder to write to" in error_line(capsys)


@EAGER
def test_records_that_depend_on_training_images_say_how_many(run):
    before = len(read_results(run / "results.jsonl"))
    outputs = "--outputs=table2,table3,figure4,figure5"
    flags = outputs, "--limit_train=200", "--limit_test=90", "--eps=0.3"
    assert command(run, *flags) == 0
    found = read_results(run / "results.jsonl")[before:]
    split = data.open("digits").info.splits["train"]
    limited = {r.metric for r in found if limited_reference(r) == (200, split)}
    assert len(limited) == 4 and {m.split()[0] for m in limited} == {
        *("50-NN", "figure", "misclassification"),
    }
    others = {r.metric for r in found} - limited
    assert others and all(metric.startswith("separation ratio") for metric in others)
