"""Early warnings from made-up histories; selection on a real, tiny run."""

import contextlib
import io
import json
import signal
import unittest.mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from eagerly import eagerly

from robust_tf import data, randomness
from robust_tf.runs import interruption, speed
from robust_tf.runs.run_folder import RunFolder
from robust_tf.threat_model import ThreatModel
from tla_tf import train
from tla_tf.evaluation import held_out_monitor as held_out
from tla_tf.evaluation.held_out_images import split_held_out
from tla_tf.evaluation.held_out_monitor import catastrophic_overfitting, robust_overfitting

FLAGS = [
    *(
        "--flagfile=flags/tla/smoke.flags",
        "--method=at",
        "--eval_attacks=clean",
        "--train_steps=12",
    ),
    *("--held_out=100", "--limit_test=20"),
]


def test_catastrophic_overfitting_is_fgsm_up_and_pgd_down():
    assert catastrophic_overfitting([0.5, 0.6, 0.9], [0.4, 0.45, 0.1])
    assert not catastrophic_overfitting([0.5, 0.6, 0.5], [0.4, 0.45, 0.1])  # both fall
    assert not catastrophic_overfitting([0.5, 0.6, 0.9], [0.4, 0.45, 0.40])  # within 10 points
    assert not catastrophic_overfitting([0.5], [0.4])


def test_robust_overfitting_is_a_fall_since_the_best():
    assert robust_overfitting([0.3, 0.5, 0.39])
    assert not robust_overfitting([0.3, 0.5, 0.41])
    assert not robust_overfitting([])


EAGER = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def selected(tmp_path_factory):
    """A run with --select=best whose held-out accuracies seem to be 90, 85 and 70 %.

    Returns its folder, what was attacked by which preset, and what was said.
    """
    folder, attacked, said = tmp_path_factory.mktemp("held_out") / "run", [], io.StringIO()

    def falling(compiled, examples, *_, title, **__):
        if title == "masking":
            return [{"masked": np.zeros(1)}]
        attacked.append((examples, title))
        n, share = len(examples), (0.90, 0.85, 0.70)[(len(attacked) - 1) // 2]
        return [{"correct": np.arange(n) < share * n}]

    command = ["train", *FLAGS, "--select=best", f"--workdir={folder}"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), eagerly():
        patch.setattr(held_out, "attack_loop", falling)
        with pytest.warns(UserWarning, match="robust overfitting: .* 70.0 %, its best was 90.0 %"):
            assert train.main(command) == 0
    return folder, attacked, said.getvalue()


def test_the_best_network_by_held_out_images_is_kept(selected):
    folder, _, said = selected
    assert "last 70.00 %, best 90.00 % after step 4; the best network is kept" in said
    final = keras.models.load_model(folder / "final.keras").get_weights()
    for step, same in ((4, True), (12, False)):
        state = tf.train.load_checkpoint(str(folder / f"checkpoints/step-{step:08d}/state"))
        tensors = [state.get_tensor(name) for name in state.get_variable_to_shape_map()]
        found = [any(np.array_equal(weight, tensor) for tensor in tensors) for weight in final]
        assert all(found) == same


def test_the_held_out_images_are_attacked_by_both(selected):
    folder, attacked, _ = selected
    assert [name for _, name in attacked] == 3 * ["fgsm", "pgd10"]
    _, expected = split_held_out(data.open("digits").load("train"), 100)
    for examples, _ in attacked:
        np.testing.assert_array_equal(examples.images, expected.images)
    lines = RunFolder(folder).read_metrics()
    assert [line["held_out_pgd10"] for line in lines] == [0.90, 0.85, 0.70]


def test_the_checks_before_are_read_once(monkeypatch):
    """Reading them at each check takes longer and longer."""
    lines = [{"step": 4, "held_out_fgsm": 0.9, "held_out_pgd10": 0.8}]
    folder = unittest.mock.Mock(best_weights="best")
    folder.read_metrics.side_effect = lambda: list(lines)
    settings = {"seed": 0, "batch_size": 1, "likely_masking": ""}
    monitor = held_out.HeldOutMonitor(None, ThreatModel(0.1), folder, **settings)
    monitor.set_model(unittest.mock.Mock())
    monkeypatch.setattr(held_out.HeldOutMonitor, "_compiled", {"fgsm": None, "pgd10": None})
    monkeypatch.setattr(held_out.HeldOutMonitor, "_look_for_masking", lambda monitor, logs: None)
    for accuracy in (0.75, 0.85, 0.84):
        run = {"correct": np.float64([accuracy])}
        monkeypatch.setattr(held_out, "attack_loop", lambda *_, run=run, **__: [run])
        logs = {}
        monitor.on_interval_end(logs)
        lines.append(logs)
    assert folder.save_network.call_count == 1  # 0.85 is the best of all
    assert folder.read_metrics.call_count == 1


def test_masking_is_told_once_with_step_and_cause_and_a_long_check_has_a_bar(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(held_out, "SOON", 1e-9)
    monkeypatch.setattr(held_out, "MASKED", -1.0)  # any share is too large
    command = ["train", *FLAGS, "--inner_attack=fgsm_rs", f"--workdir={tmp_path / 'run'}"]
    with pytest.warns(UserWarning, match="masked gradients: at step 4 .* of 100 held-out") as said:
        assert train.main(command) == 0
    masked = [str(w.message) for w in said if "masked gradients" in str(w.message)]
    assert len(masked) == 1 and "likely cause: --inner_attack=fgsm_rs, a single step" in masked[0]
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert all(0 <= line["held_out_masking"] <= 1 for line in lines) and len(lines) == 3
    said = capsys.readouterr().err
    assert all(f"{name}: 100%" in said for name in ("fgsm", "pgd10"))


def test_more_held_out_images_than_there_are(tmp_path, capsys):
    more = [*FLAGS, "--held_out=1437", f"--workdir={tmp_path / 'other'}"]
    assert train.main(["train", *more]) == 2
    assert "only 1,437 training images" in capsys.readouterr().err


def state(folder):
    """What a run ends in: its metrics, its best and its final weights."""
    timed = dict.fromkeys(["seconds", *speed.NAMES])
    metrics = [{**line, **timed} for line in RunFolder(folder).read_metrics()]
    networks = [keras.models.load_model(folder / f"{name}.keras") for name in ("best", "final")]
    return metrics, [weights for network in networks for weights in network.get_weights()]


def killed():
    raise KeyboardInterrupt


@EAGER
def test_interruptions_change_nothing_of_a_selection(
    tmp_path, monkeypatch, heard_signals, recwarn, capsys
):
    command = ["train", *FLAGS, "--method=um", "--select=best"]
    whole, stopped = (f"--workdir={tmp_path / name}" for name in ("whole", "stopped"))

    shares = []

    def quick(compiled, examples, *_, title, **__):
        if title == "masking":
            return [{"masked": np.zeros(1)}]
        if title == "fgsm":  # PGD-10 seems to find as many: its steps take as long as the training
            images = tf.constant(examples.images[:8] / np.float32(255))
            keys = randomness.image_keys(0, "test", tf.range(8))
            found = compiled(images, tf.range(8), keys)
            shares.append(float(tf.reduce_mean(tf.cast(found["correct"], tf.float32))))
        return [{"correct": np.arange(len(examples)) < shares[-1] * len(examples)}]

    monkeypatch.setattr(held_out, "attack_loop", quick)
    assert train.main([*command, whole]) == 0

    def ctrl_c(monitor, batch, logs=None):
        if monitor.model.optimizer.iterations == 7:  # checkpoints are at 4, 8 and 12
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(held_out.HeldOutMonitor, "on_train_batch_end", ctrl_c)
        patch.setattr(interruption, "PATIENCE", 60)  # this process must not end on a slow machine
        assert train.main([*command, stopped]) == 130
        interval = tmp_path / "stopped/checkpoints/step-00000007/interval.json"
        left = json.loads(interval.read_text())
        interval.write_text(json.dumps({**left, "seconds": 1000 + left["seconds"]}))
        interval.with_name("digest.json").unlink()
    # The checkpoints of steps 8 and 12 are written before the images are attacked.
    look = held_out.HeldOutMonitor._look_for_masking
    cut_off = {8: lambda: signal.raise_signal(signal.SIGTERM), 12: killed}

    def stopped_once(monitor, logs):
        cut_off.pop(int(monitor.model.optimizer.iterations), lambda: None)()
        look(monitor, logs)

    monkeypatch.setattr(held_out.HeldOutMonitor, "_look_for_masking", stopped_once)
    for step, code in ((8, 143), (12, 130), (12, 0)):
        assert train.main([*command, stopped]) == code
        assert (tmp_path / f"stopped/checkpoints/step-{step:08d}").exists()
    assert not cut_off and "finishing the interval up to step 8" in capsys.readouterr().out
    times = [line["seconds"] for line in RunFolder(tmp_path / "stopped").read_metrics()]
    assert [seconds > 1000 for seconds in times] == [False, True, False]
    (metrics, weights), (expected, expected_weights) = (
        state(tmp_path / name) for name in ("stopped", "whole")
    )
    assert metrics == expected and [line["step"] for line in metrics] == [4, 8, 12]
    assert not any("masked gradients" in str(warning.message) for warning in recwarn)
    for found, value in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(found, value)


def test_where_the_selection_looks_is_of_the_run(selected, capsys):
    folder, *_ = selected
    command = ["train", *FLAGS, "--select=best", f"--workdir={folder}", "--checkpoint_every=3"]
    assert train.main(command) == 2
    assert "--checkpoint_every was 4, is 3" in capsys.readouterr().err


def test_best_needs_images_to_select_by(tmp_path, capsys):
    assert train.main(["train", "--select=best", f"--workdir={tmp_path}"]) == 2
    assert "--held_out" in capsys.readouterr().err
