"""--saved_model: any SavedModel, ours or not, with or without gradients."""

import shutil

import pytest
import tensorflow as tf

from robust_tf.attacks import presets
from robust_tf.attacks.square import Square
from robust_tf.evaluation.records import read_results
from tla_tf import evaluate, export


@pytest.fixture(scope="module")
def saved_model(smoke_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    assert export.main(["export", f"--workdir={smoke_run}", f"--export_dir={folder}"]) == 0
    return folder / "1"


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


class Frozen(tf.Module):
    """Brightness decides; what passes through a Python function has no gradient."""

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32)])
    def scores(self, x):
        level = tf.stop_gradient(tf.reduce_mean(x, axis=[1, 2, 3]))
        return {"scores": tf.stack([level * k for k in range(10)], axis=1)}


def test_without_gradients_only_square_and_transfer_are_run(
    finished, tmp_path, capsys, monkeypatch
):
    model = Frozen()
    tf.saved_model.save(model, str(tmp_path / "frozen"), signatures={"look": model.scores})
    monkeypatch.setitem(presets.AUTO_ATTACK, "square", lambda threat: Square(threat, queries=3))
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
        (["--output=probabilities"], "has no output 'probabilities'; it has embedding, logits"),
        (["--dataset=mnist"], "the images are 28x28x1"),
        (["--workdir=somewhere"], "or else --saved_model"),
        (["--precision=mixed_bfloat16"], "--precision"),
        (["--saved_model=nowhere"], "nowhere holds no SavedModel"),
    ],
)
def test_mistakes(saved_model, capsys, flags, text):
    assert saved_command(saved_model, *flags) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1 and text in line


def test_it_needs_the_data_and_eps(saved_model, capsys):
    assert evaluate.main(["evaluate", f"--saved_model={saved_model}", "--eps=0.1"]) == 2
    assert "needs --dataset" in capsys.readouterr().err
