"""What fails on the way: one line, exit code 1, and the same command goes on from what was kept."""

import contextlib
import re
import resource
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from eagerly import eagerly
from forked import begun

from robust_tf.data import pipeline
from robust_tf.evaluation import classifier_evaluation
from robust_tf.results.result import read_results
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.runs.run_folder import RunFolder
from tla_tf import train
from tla_tf.evaluation import run_evaluation

SMOKE = "--flagfile=flags/tla/smoke.flags"
# What fails does not depend on the method.
ANY = ("--method=um", "--eval_attacks=clean,fgsm")
SHORT = (*ANY, "--train_steps=4", "--checkpoint_every=1")


@pytest.fixture
def traced_run(tmp_path, smoke):
    """Returns the function (*flags) -> exit code of a run of eight updates in tmp_path."""
    traced = (*ANY, "--checkpoint_every=2")
    return lambda *flags: smoke(f"--workdir={tmp_path / 'run'}", *traced, *flags)


@pytest.fixture
def run(tmp_path, smoke, eager):
    """Returns the function (*flags) -> exit code of a run of four updates, without traces."""
    return lambda *flags: smoke(f"--workdir={tmp_path / 'run'}", *SHORT, *flags)


@pytest.fixture(scope="module")
def untroubled(smoke, tmp_path_factory):
    """The folder of a run that nothing troubles."""
    folder = tmp_path_factory.mktemp("untroubled") / "run"
    with eagerly():
        assert smoke(f"--workdir={folder}", *SHORT) == 0
    return folder


@pytest.fixture
def finished(untroubled, tmp_path_factory):
    """A copy of the run that nothing troubles."""
    return shutil.copytree(untroubled, tmp_path_factory.mktemp("copy") / "run")


@pytest.fixture
def spoil(monkeypatch):
    """Returns the function (step, pixel) that puts `pixel` into the images of that update."""

    def spoil(step, pixel):
        whole = pipeline.train_dataset

        def replace(batch):
            broken = tf.fill(tf.shape(batch["image"]), pixel)
            return {**batch, "image": tf.where(batch["step"][0] == step, broken, batch["image"])}

        monkeypatch.setattr(
            pipeline, "train_dataset", lambda *args, **kw: whole(*args, **kw).map(replace)
        )

    return spoil


@pytest.fixture
def die_after(monkeypatch):
    """Returns the function (step): the run ends once it has saved the checkpoint of that step."""
    save = Checkpoints.save

    def die_after(step):
        def save_and_die(self, at, *more):
            save(self, at, *more)
            if at == step:
                raise KeyboardInterrupt

        monkeypatch.setattr(Checkpoints, "save", save_and_die)

    return die_after


def weights(folder):
    return [value.numpy() for value in keras.models.load_model(folder / "final.keras").weights]


def assert_ended_like(finished, folder):
    """The weights are those of the run that met no trouble, and every result is there once."""
    for found, expected in zip(weights(folder), weights(finished), strict=True):
        np.testing.assert_array_equal(found, expected)
    results = read_results(folder / "results.jsonl")
    assert [result.attack for result in results] == ["clean", "fgsm"]
    assert [result.value for result in results] == [
        result.value for result in read_results(finished / "results.jsonl")
    ]
    assert [line["step"] for line in RunFolder(folder).read_metrics()] == [1, 2, 3, 4]


def the_only_line(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def test_loss_not_finite(traced_run, tmp_path, capsys):
    assert traced_run("--learning_rates=0.001,1e30", "--boundaries=4") == 1
    line = the_only_line(capsys)
    assert re.search("cross_entropy.* not finite at step 7; checkpoint of step 6 is kept", line)
    for step in (2, 4, 6):
        reader = tf.train.load_checkpoint(str(tmp_path / f"run/checkpoints/step-{step:08d}/state"))
        assert reader.get_variable_to_shape_map()


def test_images_out_of_range(traced_run, spoil, tmp_path, capsys):
    spoil(5, np.float32(1.5))
    assert traced_run() == 1
    line = the_only_line(capsys)
    assert "step 6: images must be finite and in [0, 1]" in line and "1.5" in line
    assert sorted(path.name[-1] for path in tmp_path.glob("run/checkpoints/*")) == ["2", "4"]


def test_torn_checkpoint(run, die_after, tmp_path, finished, monkeypatch, capsys):
    die_after(3)
    assert run() == 130
    monkeypatch.undo()
    data = next(tmp_path.glob("run/checkpoints/step-00000003/*.data-*"))
    data.write_bytes(data.read_bytes()[:-1000])
    with pytest.warns(UserWarning, match="step-00000003 cannot be read"):
        assert run() == 0
    assert "resuming after step 2 of 4" in capsys.readouterr().out
    assert_ended_like(finished, tmp_path / "run")


@pytest.mark.parametrize("kept", [slice(-40), slice(None)], ids=["cut off", "changed"])
def test_damaged_final_weights_are_made_again(run, tmp_path, finished, kept):
    path = shutil.copytree(finished, tmp_path / "run") / "final.keras"
    content = path.read_bytes()
    path.write_bytes(content[kept].replace(b"config.json", b"config.jsom"))
    with pytest.warns(UserWarning, match="final.keras .*; it is made again"):
        assert run() == 0
    assert_ended_like(finished, tmp_path / "run")


def test_damaged_final_weights_without_a_checkpoint(run, tmp_path, finished, capsys):
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints")
    (folder / "final.keras").write_bytes(b"")
    assert run() == 2
    assert "no checkpoint of step 4 to make it again; restore the file" in the_only_line(capsys)
    (folder / "final.keras").unlink()
    assert run() == 2
    assert "has no checkpoint of the 4 updates in metrics.jsonl; restore" in the_only_line(capsys)
    assert len(RunFolder(folder).read_metrics()) == 4


@contextlib.contextmanager
def disk_of(size):
    """No file of this process can grow beyond `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# What finds the disk full, at which of its calls, and the updates that are kept then.
FULL_AT = [
    (RunFolder, "claim", 1, 0),
    (Checkpoints, "save", 2, 1),
    (RunFolder, "log_metrics", 2, 3),
    (RunFolder, "save_network", 1, 4),
    (run_evaluation, "append_results", 2, 4),
]


def test_disk_full(run, tmp_path, finished, monkeypatch, capsys):
    """In one run, at one place after the other."""
    kept = 0
    for owner, name, call, next_kept in FULL_AT:
        whole, calls = getattr(owner, name), []

        def on_a_full_disk(*args, whole=whole, calls=calls, call=call):
            calls.append(args)
            with disk_of(300) if len(calls) == call else contextlib.nullcontext():
                return whole(*args)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, on_a_full_disk)
            assert run() == 1, name
        said = capsys.readouterr()
        assert "error: nothing more can be written" in said.err.splitlines()[-1], name
        assert f"resuming after step {kept} of 4" in said.out or not kept, name
        kept = next_kept
    assert run() == 0
    assert_ended_like(finished, tmp_path / "run")


def trained_on_a_small_disk(*flags):
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    return train.main(["train", *flags])


def test_full_disk_ends_the_process(tmp_path):
    """The first checkpoint does not fit; no traceback, and the flags can be read."""
    flags = [SMOKE, *SHORT, f"--workdir={tmp_path / 'run'}"]
    files = {name: tmp_path / f"{name}.txt" for name in ("output", "errors")}
    process = begun(trained_on_a_small_disk, *flags, **files)
    process.join()
    errors = files["errors"].read_text()
    assert process.exitcode == 1, errors[-3000:]
    said = [line for line in errors.splitlines() if "node_def_util.cc" not in line]
    assert len(said) == 1 and "nothing more can be written" in said[0]
    assert RunFolder(tmp_path / "run").read_flags()["eps"] == "0.15"


def test_a_signal_after_the_last_update(
    run, tmp_path, finished, monkeypatch, heard_signals, capsys
):
    """It ends the command before the evaluation, as it says."""
    log = RunFolder.log_metrics

    def signalled(folder, record):
        log(folder, record)
        if record["step"] == 4:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log_metrics", signalled)
        assert run() == 143
    assert "the same command goes on from there" in capsys.readouterr().out
    assert not (tmp_path / "run/results.jsonl").exists()
    assert run() == 0
    assert_ended_like(finished, tmp_path / "run")


def test_interrupted_evaluation(run, tmp_path, finished, monkeypatch, capsys):
    whole = classifier_evaluation.attack_loop

    def interrupted(*images, **work):
        if work["title"] != "clean":
            raise KeyboardInterrupt
        return whole(*images, **work)

    monkeypatch.setattr(classifier_evaluation, "attack_loop", interrupted)
    assert run() == 130
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.undo()
    assert run() == 0
    assert_ended_like(finished, tmp_path / "run")


def test_what_is_recorded_twice_is_shown_once(run, finished, tmp_path, capsys):
    """As a member of an ensemble that was stopped after it."""
    records = shutil.copytree(finished, tmp_path / "run") / "results.jsonl"
    records.write_bytes(2 * records.read_bytes())
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " 40 " in line] == ["clean", "fgsm"]


def test_a_longer_run_that_failed_is_not_taken_for_finished(
    run, die_after, finished, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    before = weights(folder)
    die_after(5)
    assert run("--train_steps=6") == 130
    monkeypatch.undo()
    assert not (folder / "final.keras").exists()
    assert (folder / "final-step-00000004.keras").exists(), "what was there is kept"
    assert run("--train_steps=6") == 0
    assert any((a != b).any() for a, b in zip(before, weights(folder)))
    assert len(read_results(folder / "results.jsonl")) == 2
