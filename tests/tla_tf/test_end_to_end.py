"""The commands from flags to results."""

import json
import os
import resource
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags as absl_flags
from tensorboard.compat.proto.event_pb2 import Event

from robust_tf import data
from robust_tf.results import jsonl
from robust_tf.results.result import read_results
from robust_tf.runs import fitting
from robust_tf.runs.run_folder import RunFolder
from tla_tf import evaluate, export, train
from tla_tf.options import EVALUATE, EXPORT, TRAIN
from tla_tf.runs.finished_run import FinishedRun

EAGER = pytest.mark.usefixtures("eager")

RUN_FOLDER = {
    "flags.txt",
    "config.json",
    "digest.json",
    "metrics.jsonl",
    "tensorboard",
    "checkpoints",
}
RUN_FOLDER |= {"final.keras", "results.jsonl", "evaluation"}


@EAGER
def test_smoke_run_leaves_a_complete_folder(smoke, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert smoke("--train_steps=4", "--checkpoint_every=2") == 0
    said = capsys.readouterr().out
    (folder,) = tmp_path.glob("runs/tla_tf/digits/tla-*/seed0")
    assert {path.name for path in folder.iterdir()} == RUN_FOLDER
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    config = json.loads((folder / "config.json").read_text())
    (segment,) = config["segments"]
    assert config["flags"]["eps"] == "0.15" and segment["versions"]["tensorflow"] == tf.__version__
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [2, 4]
    assert {"loss", "cross_entropy", "triplet", "embedding_norm"} <= metrics[0].keys()
    measured = {"images_per_second", "input_wait", "attack_share"}
    assert all(measured <= line.keys() for line in metrics)
    (board,) = folder.glob("tensorboard/**/events*")
    events = map(Event.FromString, tf.data.TFRecordDataset(str(board)).as_numpy_iterator())
    tags = {value.tag for event in events for value in event.summary.value}
    assert {"epoch_loss", *(f"epoch_{name}" for name in measured)} <= tags
    assert len(list(folder.glob("checkpoints/step-*"))) == 2
    results = read_results(folder / "results.jsonl")
    assert [(result.attack, result.n) for result in results] == [
        *(("clean", 40), ("fgsm", 40), ("pgd2", 40))
    ]
    for text in ("4 updates of 16 images", "pgd2", "tla_tf.evaluate --workdir=runs/tla_tf/digits"):
        assert text in said
    assert "weights from" not in said


def test_the_same_command_again_reprints_the_result(smoke, finished, monkeypatch, capsys):
    def forbidden(*args, **kwargs):
        raise AssertionError("a finished run is trained again")

    monkeypatch.setattr(fitting, "train", forbidden)
    # The disk is read-only.
    monkeypatch.setattr(os, "access", lambda path, mode: mode & os.W_OK == 0)
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert smoke(f"--workdir={finished}") == 0
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    table = capsys.readouterr().out
    assert "finished before" in table and "another --workdir" in table
    assert "--attacks=standard --checks=quick" in table
    assert all(f"{100 * r.value:.2f}" in table for r in read_results(finished / "results.jsonl"))


# Each of them compiles a defense that no other test does. TLA and adversarial training are compiled
# by other tests of whole runs, adversarial logit pairing by Keras users. The tests of fine-tuning
# and of a longer run take ALP and TLA-SA through the command.
VARIANTS = [
    ["--method=um"],
    [
        *("--method=tla_rn", "--pool=separate", "--pool_mul=2", "--positive=both"),
        *("--anchor=clean", "--precision=mixed_bfloat16", "--eval_attacks=pgd2"),
    ],
    ["--method=trades", "--strategy=mirrored", "--eval_attacks=pgd2"],
    ["--method=mart"],
]


@pytest.mark.parametrize("flags", VARIANTS, ids=lambda flags: flags[0])
def test_methods_train(smoke, tmp_path, flags, request):
    if flags == ["--method=um"]:  # compiled by the tests of what fails
        request.getfixturevalue("eager")
    folder = tmp_path / "run"
    # What is attacked after the training is the network alone, whatever its method.
    short = ("--train_steps=2", "--eval_attacks=clean", "--limit_test=10")
    assert smoke(*short, *flags, f"--workdir={folder}") == 0
    (line,) = RunFolder(folder).read_metrics()
    assert line["step"] == 2 and all(np.isfinite(value) for value in line.values())
    if flags == ["--method=um"]:  # its train steps show the accuracy
        assert "clean_accuracy" not in line
    else:
        images = data.open("digits").load("train").take(200)  # --limit_train of smoke
        outputs = FinishedRun(folder).network().predict(images.images / np.float32(255), verbose=0)
        accuracy = np.mean(outputs["logits"].argmax(1) == images.labels)
        assert line["clean_accuracy"] == pytest.approx(
            accuracy, abs=1.5 / 200
        )  # one image: bfloat16
    (result,) = read_results(folder / "results.jsonl")
    assert result.n == 10 and f"--method={result.method}" == flags[0]


def test_what_a_claim_needs_is_proposed_until_it_is_measured(smoke, finished, capsys):
    assert smoke(f"--workdir={finished}") == 0
    assert f"--workdir={finished} --attacks=standard --checks=quick\n" in capsys.readouterr().out
    path = finished / "results.jsonl"
    with path.open("a") as file:
        file.write(json.dumps({**jsonl.read(path)[-1], "attack": "standard"}) + "\n")
    assert smoke(f"--workdir={finished}") == 0
    said = capsys.readouterr().out
    assert "--attacks=" not in said and f"tla_tf.report --workdir={finished} --output=" in said


@EAGER
def test_evaluation_adds_records(smoke, finished, tmp_path, capsys):
    """The same attack gives the number that training ended with; other flags reach the record."""
    before = read_results(finished / "results.jsonl")
    flags = ["--attacks=pgd2,2pgd1", "--limit_test=40"]
    assert evaluate.main(["evaluate", f"--workdir={finished}", *flags]) == 0
    assert evaluate.main(["evaluate", f"--workdir={finished}", "--attacks=fgsm", "--eps=0"]) == 0
    said = capsys.readouterr().out
    assert "2pgd1" in said and "pgd2: stored" in said
    # Clean images are shown beside every robust accuracy, and recorded where they were asked for.
    first, second = (line.split() for line in said.splitlines() if line.startswith("clean "))
    assert "40" in first and "360" in second
    added = read_results(finished / "results.jsonl")[len(before) :]
    again, restarts, worst, unharmed, _ = added
    assert (worst.attack, worst.n) == ("worst case", 40)
    assert worst.value <= min(again.value, restarts.value, before[0].value)
    assert (again.attack, again.value) == (before[2].attack, before[2].value)
    assert restarts.attack_settings["restarts"] == 2
    assert (unharmed.n, unharmed.threat_model["eps"]) == (360, 0.0)
    assert {r.weights_hash for r in (again, restarts, unharmed)} == {before[0].weights_hash}


def test_export(smoke_run, served):
    serve = tf.saved_model.load(str(served)).signatures["serving_default"]
    images = np.random.default_rng(1).uniform(size=[3, 8, 8, 1]).astype(np.float32)
    expected = FinishedRun(smoke_run).network()(images, training=False)
    found = serve(image=tf.constant(images))
    for name in ("logits", "embedding"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_the_sidecar_of_an_export_has_the_records_and_the_attack_on_it(smoke_run, served):
    entries = json.loads((served / "model.json").read_text())
    records = read_results(smoke_run / "results.jsonl")
    assert {(r["attack"], r["value"]) for r in entries["results"]} <= {
        (r.attack, r.value) for r in records
    }
    assert entries["weights_hash"] == records[0].weights_hash
    assert entries["classes"] == list("0123456789")
    assert str(smoke_run) not in (served / "model.json").read_text()  # others read it
    assert entries["training"]["flags"]["dataset"] == "digits"
    attack = entries["verification"]["attack"]
    assert attack["n"] == 40 and attack["differing_outcomes"] == 0
    assert attack["correct"] == attack["correct_of_the_network"]
    card = (served / "README.md").read_text()
    assert "accuracy under pgd20, linf eps=0.15" in card and "do not rely on `accepted`" in card
    assert (served / "assets.extra/tf_serving_warmup_requests").exists()


def test_the_detector_of_an_export_rejects_what_is_below_its_threshold(served):
    detector = json.loads((served / "model.json").read_text())["detector"]
    detect = tf.saved_model.load(str(served)).signatures["detect"]
    images = data.open("digits").load("test").images.astype(np.float32) / 255
    found = {name: value.numpy() for name, value in detect(image=tf.constant(images)).items()}
    np.testing.assert_allclose(found["threshold"], detector["threshold"])
    np.testing.assert_array_equal(found["accepted"], found["confidence"] >= found["threshold"])
    rejected = 1 - found["accepted"].mean()
    assert detector["false_positive_rate_on_test_images"] == pytest.approx(rejected)
    low, high = detector["interval_of_this_rate"]
    assert low < rejected < high and detector["test_images"] == 360
    reason = data.open("digits").info.shift if low > 0.1 else None
    assert detector["reason_of_this_rate"] == reason
    assert detector["calibrated_on"] == "training images beyond --limit_train"


def test_saved_model_cli_shows_and_runs_every_endpoint(served, tmp_path, capsys):
    """What `saved_model_cli` does after its flags are read."""
    from tensorflow.python.tools import saved_model_cli as cli

    pixels = data.open("digits").load("test", 3).images
    files = np.array([tf.io.encode_png(image).numpy() for image in pixels], object)
    floats = pixels.astype(np.float32) / np.float32(255)
    given = {"serving_default": floats, "uint8": pixels, "encoded": files, "detect": floats}
    cli._show_all(str(served))
    shown = capsys.readouterr().out
    assert all(f"signature_def['{name}']" in shown for name in given)
    for name, value in given.items():
        feed = {"encoded" if name == "encoded" else "image": value}
        folder = str(tmp_path / f"1-{name}")
        cli.run_saved_model_with_feed_dict(str(served), "serve", name, feed, folder, True)
    logits = [np.load(tmp_path / f"1-{name}" / "logits.npy") for name in [*given][:3]]
    np.testing.assert_allclose(logits[1:], [logits[0]] * 2, atol=1e-5)
    assert np.load(tmp_path / "1-detect" / "accepted.npy").shape == (3,)


@EAGER
def test_fine_tuning_starts_from_the_other_run(smoke, finished, tmp_path, capsys):
    """At learning rate 0 only the moving averages may leave the weights it started from."""
    still = ("--learning_rates=0", "--train_steps=1", "--eval_attacks=clean", "--seed=5")
    tuning = (*still, "--method=alp", f"--init_from={finished}", f"--workdir={tmp_path / 'tuned'}")
    assert smoke(*tuning) == 0
    assert f"weights from {finished}, step 8" in capsys.readouterr().out
    started, tuned = (
        FinishedRun(folder).network().trainable_variables
        for folder in (finished, tmp_path / "tuned")
    )
    for expected, found in zip(started, tuned, strict=True):
        np.testing.assert_array_equal(found, expected)
    shutil.rmtree(finished)
    assert smoke(*tuning) == 0
    assert "finished before: this is its result" in capsys.readouterr().out


def test_fine_tuning_takes_the_moving_averages_too(finished):
    """What --init_from loads into a network that has not been trained."""
    run = FinishedRun(finished)
    network = run.build_network()
    run.load_weights(network)
    trained = keras.models.load_model(finished / "final.keras")
    for found, expected in zip(network.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert any(np.any(v != 0) for v in network.non_trainable_variables if "mean" in v.name)


@pytest.mark.parametrize("main, table", [(train, TRAIN), (evaluate, EVALUATE), (export, EXPORT)])
def test_help_lists_every_flag_under_its_topic(main, table, capsys):
    assert main.main(["command", "--help"]) == 0
    text = capsys.readouterr().out
    values = absl_flags.FlagValues()
    table.define(values)
    for topic, members in values.flags_by_module_dict().items():
        section = text.split(f"\n{topic}:\n", 1)[1].split("\n\n")[0]
        for flag in members:
            assert f"--{flag.name}:" in section or f"--[no]{flag.name}:" in section
            for choice in getattr(flag.parser, "enum_values", []):
                assert choice in section


def test_help_answers_at_once(pytestconfig):
    code = "import sys; from tla_tf import train; train.main(['train', '--help'])"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit('tensorflow' in sys.modules)"],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and "<um|at|alp|tla|tla_rn|tla_sa|trades|mart>" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0, "seconds"
