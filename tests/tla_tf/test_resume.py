"""A run that was killed three times ends bit for bit like one that was never killed."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from tla_tf import train

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = [
    *("--dataset=digits", "--batch_size=64", "--train_steps=50", "--checkpoint_every=10"),
    *("--attack_steps=4", "--limit_test=40", "--eval_attacks=clean"),
]


def run_until_killed(workdir, step):
    """Starts the run and kills it a moment after the checkpoint of `step`, inside an epoch."""
    command = [sys.executable, "-m", "tla_tf.train", *FLAGS, f"--workdir={workdir}"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = workdir / "checkpoints" / f"step-{step:08d}"
    deadline = time.time() + 120
    while not checkpoint.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"


def tensors(workdir):
    """Name -> value of everything in the last checkpoint: weights, statistics, optimiser slots."""
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / "step-00000050" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def metrics(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_resume_is_bit_identical(tmp_path, capsys):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for step in (10, 20, 40):
        run_until_killed(killed, step)
    for workdir in (killed, whole):
        assert train.main(["train", *FLAGS, f"--workdir={workdir}"]) == 0
    assert "resuming after step" in capsys.readouterr().out

    expected, found = tensors(whole), tensors(killed)
    assert expected.keys() == found.keys() and len(expected) > 40
    assert any("optimizer" in name for name in expected)
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name], err_msg=name)
    assert metrics(killed) == metrics(whole)
    assert [line["step"] for line in metrics(killed)] == [10, 20, 30, 40, 50]


def test_a_longer_run_counts_no_seconds_twice(smoke, tmp_path):
    """The last line of a run may be inside an interval, which the longer run finishes."""
    flags = ["--checkpoint_every=2", "--eval_attacks=clean", f"--workdir={tmp_path}"]
    assert smoke(*flags, "--train_steps=3") == 0
    interval = json.loads((tmp_path / "checkpoints/step-00000003/interval.json").read_text())
    assert interval["seconds"] == 0
