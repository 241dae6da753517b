"""--saved_model: any SavedModel, ours or not, with or without gradients."""

import shutil
from types import SimpleNamespace

import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.attacks import auto_attack
from robust_tf.attacks.square import Square
from robust_tf.checks import run_checks
from robust_tf.evaluation.saved_classifier import SavedClassifier
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version
from robust_tf.results import jsonl
from robust_tf.results.result import read_results
from tla_tf import evaluate
from tla_tf.evaluation import evaluation_checks
from tla_tf.runs.saved_run import SavedRun

EAGER = pytest.mark.usefixtures("eager")


@pytest.fixture
def saved_model(served, tmp_path):
    return shutil.copytree(served, tmp_path / "exported" / "1")


def saved_command(path, *flags):
    given = [f"--saved_model={path}", "--dataset=digits", "--eps=0.15", "--limit_test=20"]
    return evaluate.main(["evaluate", *given, *flags])


def test_it_gives_the_numbers_of_its_run(unevaluated, saved_model, tmp_path):
    path = shutil.copytree(saved_model, tmp_path / "model")
    flags = ["--attacks=clean,pgd3,fgsm"]
    assert saved_command(path, *flags) == 0
    own = [f"--workdir={unevaluated}", "--limit_test=20", *flags]
    assert evaluate.main(["evaluate", *own]) == 0
    of_run, of_saved = (
        read_results(folder / "results.jsonl")
        for folder in (unevaluated, tmp_path / "model.evaluation")
    )
    assert [(r.attack, r.correct) for r in of_run] == [(r.attack, r.correct) for r in of_saved]
    assert of_saved[0].method == "saved_model" and of_saved[0].weights_hash


@EAGER
def test_of_an_export_dir_the_newest_version_is_taken(saved_model, tmp_path, capsys):
    for version in ("2", "10"):
        shutil.copytree(saved_model, tmp_path / version)
    (tmp_path / "11").mkdir()
    assert saved_command(tmp_path, "--attacks=clean") == 0
    assert f"records: {tmp_path / '10.evaluation'}" in capsys.readouterr().out
    assert newest_version(tmp_path / "2") == tmp_path / "2"
    assert newest_version(tmp_path / "11") == tmp_path / "11"


class Frozen(tf.Module):
    """Brightness decides; what passes through a Python function has no gradient."""

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32)])
    def scores(self, x):
        level = tf.stop_gradient(tf.reduce_mean(x, axis=[1, 2, 3]))
        return {"scores": tf.stack([level * k for k in range(10)], axis=1)}


@EAGER
def test_without_gradients_only_square_and_transfer_are_run(
    finished, tmp_path, capsys, monkeypatch
):
    model = Frozen()
    tf.saved_model.save(model, str(tmp_path / "frozen"), signatures={"look": model.scores})
    monkeypatch.setitem(auto_attack.MEMBERS, "square", lambda threat: Square(threat, queries=3))
    flags = ["--endpoint=look", "--output=scores", "--checks=quick", f"--substitute={finished}"]
    flags += ["--attacks=clean,fgsm,standard,transfer-fgsm"]
    assert saved_command(tmp_path / "frozen", *flags) == 0
    said = capsys.readouterr().out
    assert "no gradients: only square and transfer" in said and "checks: left out" in said
    assert "left out: fgsm, apgd-ce, apgd-t, fab-t" in said
    transfer = "transfer-fgsm from tla-digits_cnn-seed0"
    results = read_results(tmp_path / "frozen.evaluation/results.jsonl")
    assert [result.attack for result in results] == [*("clean", "square", transfer, "worst case")]


@pytest.mark.parametrize(
    "flags, text",
    [
        (["--endpoint=look"], "has no endpoint 'look'; it has serv"),
        (
            ["--output=scores"],
            "has no output 'scores'; it has class, class_name, embedding, logits",
        ),
        (["--dataset=mnist"], "the images are 28x28x1"),
        (["--workdir=somewhere"], "are two places of a network; give one"),
        (["--precision=mixed_bfloat16"], "--precision"),
        (["--saved_model=nowhere"], "nowhere holds no SavedModel"),
    ],
)
def test_mistakes(saved_model, capsys, flags, text):
    assert saved_command(saved_model, *flags) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1 and text in line


class Fixed(tf.Module):
    """Linear, and takes 32 images at a time."""

    @tf.function(input_signature=[tf.TensorSpec([32, 8, 8, 1], tf.float32, name="image")])
    def logits(self, image):
        return {"logits": tf.reshape(image, [32, 64])[:, ::7]}


@EAGER
@pytest.mark.parametrize("level", ["quick", "full"])
def test_checks(saved_model, tmp_path, monkeypatch, level):
    """Ours, which takes any number of images, and one that takes more than there are."""
    monkeypatch.setattr(evaluation_checks, "LEVELS", {"quick": (12, 5), "full": (20, 10)})
    monkeypatch.setattr(run_checks, "RESTARTS", 3)
    path = tmp_path / "model"
    if level == "quick":
        shutil.copytree(saved_model, path)
    else:
        model = Fixed()
        tf.saved_model.save(model, str(path), signatures=model.logits)
    batch = {"quick": 10, "full": 32}[level]
    flags = ["--attacks=pgd2", f"--checks={level}", f"--batch_size={batch}"]
    assert saved_command(path, *flags) == 0
    found = {line["name"]: line for line in jsonl.read(f"{path}.evaluation/checks.jsonl")}
    assert {line["n"] for line in found.values()} == {12 if level == "quick" else 20}
    assert found["input gradients"]["status"] == "amber"  # too few images for green
    assert found["input gradients"]["figure"].startswith("0.00 % of the images")
    assert len(found) == 15 and "white box beats black box" in found
    accuracy = found["converged"]["figure"].split(",")[0]
    assert found["last iterate is the best"]["figure"].startswith(f"last {accuracy}")


def test_logits_of_16_bits_are_attacked_in_32(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1])])
    def half(image):
        return {"logits": tf.cast(tf.reshape(image, [-1, 64])[:, :10], tf.float16)}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=half)
    saved = SavedClassifier(SavedSignature(tmp_path), data.open("digits").info)
    assert saved(tf.ones([2, 8, 8, 1]))["logits"].dtype == tf.float32


@pytest.mark.parametrize("classes, near", [(2, 0.55), (3, 0.40), (10, 0.2), (200, 0.01)])
def test_an_accuracy_near_chance_gets_a_hint(classes, near):
    """Also of two classes, of which no accuracy is twice as good as chance."""
    info = SimpleNamespace(num_classes=classes, class_names=range(classes))
    run = SimpleNamespace(info=info, _input_range=(0, 1))
    for low, said in ((near, True), (near + 0.01, False), (0.9, False)):
        assert bool(SavedRun.hint(run, SimpleNamespace(interval=(low, 1.0)))) == said


def test_it_needs_the_data_and_eps(saved_model, capsys):
    assert evaluate.main(["evaluate", f"--saved_model={saved_model}", "--eps=0.1"]) == 2
    assert "needs --dataset" in capsys.readouterr().err
