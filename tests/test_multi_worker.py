"""Several workers train what one device trains; one that is lost ends the rest; the run resumes."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
LAUNCHER = ROOT / "tools" / "launch_local.py"
SMOKE = [f"--flagfile={ROOT / 'flags' / 'tla' / 'smoke.flags'}", "--eval_attacks=clean"]


def environment(index=None, places=()):
    config = {"cluster": {"worker": places}, "task": {"type": "worker", "index": index}}
    cluster = {} if index is None else {"TF_CONFIG": json.dumps(config)}
    return {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", **cluster}


def start(command, **settings):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *command], env=environment(**settings), **pipes)


def pair(command):
    """Two workers on free ports."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    places = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [start(command, index=index, places=places) for index in range(2)]


def require_alike(folder, *words):
    """Trains on one device, two replicas and two workers; returns all arrays after comparing them.

    In float64: sign() and Adam amplify the rounding of float32.
    """
    script = str(pathlib.Path(__file__).with_name("multi_worker.py"))
    outputs = [folder / "local.npz", folder / "workers.npz"]
    running = [start([script, outputs[0], *words]), *pair([script, outputs[1], *words])]
    for process in running:
        assert process.wait(timeout=600) == 0, process.stderr.read()[-3000:]
    found = {}
    for output in outputs:
        with np.load(output) as arrays:
            found.update(arrays)
    names = [name.partition("/")[2] for name in found if name.startswith("workers/")]
    assert len({name.partition("/")[0] for name in names}) == 4  # methods
    for name in names:
        for kind in ("replicas", "workers"):
            # The losses are shown in float32.
            bound = 1e-5 if name.endswith("/losses") else 1e-9
            difference = np.abs(found[f"{kind}/{name}"] - found[f"device/{name}"]).max()
            assert difference < bound, (kind, name, difference)
    return found


def test_one_device_two_replicas_and_two_workers_train_alike(tmp_path):
    """Batch norm, attack, mining and the optimiser included."""
    found = require_alike(tmp_path)
    # Mining among other candidates is another computation, so the comparison can fail.
    for kind, case in (("replicas", "tla, pool=batch"), ("device", "free hm")):
        other = found[f"{kind}/other {case}/losses"][0] - found[f"{kind}/{case}/losses"][0]
        assert np.abs(other).max() > 1e-3, case


@pytest.mark.slow
def test_the_simple_defenses_train_alike(tmp_path):
    """AT, ALP, ACT and EST, which exchange less."""
    require_alike(tmp_path, "simple")


def test_a_lost_worker_ends_the_others_and_the_same_command_resumes(tmp_path):
    folder = tmp_path / "run"
    flags = [*SMOKE, "--train_steps=40", "--checkpoint_every=4", f"--workdir={folder}"]
    chief, other = pair(["-m", "tla_tf.train", "--strategy=multi_worker", *flags])
    until = time.time() + 300
    while not list(folder.glob("checkpoints/step-*[0-9]")) and time.time() < until:
        assert chief.poll() is None and other.poll() is None, chief.stderr.read()[-3000:]
        time.sleep(0.1)
    other.kill()
    began = time.time()
    printed, errors = chief.communicate(timeout=120)
    assert time.time() - began < 60 and chief.returncode == 1, errors[-3000:]
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "another worker was lost" in lines[0]
    assert "Traceback" not in errors and "on 2 replicas" in printed
    assert other.communicate()[0] == ""  # the chief prints
    steps = sorted(int(path.name[5:]) for path in folder.glob("checkpoints/step-*[0-9]"))
    again = [str(LAUNCHER), "--workers=2", "-m", "tla_tf.train", *flags]
    done = start(again)
    printed, errors = done.communicate(timeout=300)
    assert done.returncode == 0, errors[-3000:]
    assert f"resuming after step {steps[-1]}" in printed
    assert (folder / "final.keras").exists() and (folder / "results.jsonl").exists()


def test_a_signal_to_one_worker_stops_all_of_them(tmp_path):
    folder = tmp_path / "run"
    flags = [*SMOKE, "--train_steps=4000", "--checkpoint_every=4", f"--workdir={folder}"]
    running = pair(["-m", "tla_tf.train", "--strategy=multi_worker", *flags])
    until = time.time() + 300
    while not list(folder.glob("checkpoints/step-*[0-9]")) and time.time() < until:
        time.sleep(0.1)
    running[1].send_signal(signal.SIGTERM)
    assert [process.wait(timeout=60) for process in running] == [143, 143]


def test_the_launcher_of_slurm_names_the_workers(tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/bash\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    scontrol.chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_PROCID": "3", "SLURM_NTASKS": "4"}
    launcher = [str(ROOT / "tools" / "launch_slurm.sh"), "printenv", "TF_CONFIG"]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(launcher, env={**os.environ, **slurm, **path}, capture_output=True)
    assert json.loads(done.stdout) == {
        "cluster": {"worker": ["n1:23456", "n1:23457", "n2:23456", "n2:23457"]},
        "task": {"type": "worker", "index": 3},
    }
    slurm["SLURM_NTASKS"] = "3"
    done = subprocess.run(launcher, env={**os.environ, **slurm, **path}, capture_output=True)
    assert done.returncode == 2 and b"do not divide" in done.stderr
