"""Several workers train what one device trains; one that is lost ends the rest; the run resumes."""

import importlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import types
from functools import partial

import multi_worker
import numpy as np
import pytest
import tensorflow as tf
from forked import begun

import tla_tf.train
from robust_tf.cli import command_line
from robust_tf.cli.flag_table import FlagTable
from robust_tf.runs.training_callback import TrainingCallback
from robust_tf.runs.training_run import execute
from robust_tf.training import strategy
from robust_tf.training.workers import worker_of

ROOT = pathlib.Path(__file__).parents[1]
LAUNCHER = ROOT / "tools" / "launch_local.py"
LAUNCHED = [sys.executable, LAUNCHER, "--workers=2", "-m"]
# What the workers tell one another about their end does not depend on the method.
SMOKE = [f"--flagfile={ROOT / 'flags' / 'tla' / 'smoke.flags'}"]
SMOKE += ["--method=um", "--checkpoint_every=4", "--eval_attacks=clean"]
# Of the web, as clusters name one to their nodes; it does not know the workers.
PROXY = {"http_proxy": "http://localhost:9", "no_proxy": "", "no_grpc_proxy": ""}


@pytest.fixture
def launcher(monkeypatch):
    """tools/launch_local.py as a module."""
    monkeypatch.syspath_prepend(LAUNCHER.parent)
    return importlib.import_module(LAUNCHER.stem)


@pytest.fixture
def pair(launcher, tmp_path):
    """Returns the function (chief, other) that begins two workers; none outlives the test."""
    workers, (held, places) = [], launcher.held_places(2)

    def begin(*functions):
        for index, function in enumerate(functions):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": places}, "task": task})
            files = {name: tmp_path / f"{name}{index}.txt" for name in ("output", "errors")}
            environment = {**launcher.REUSE, **PROXY, "TF_CONFIG": config}
            workers.append(begun(function, **files, environment=environment))
        return workers

    yield begin
    for worker in workers:
        worker.kill()
        worker.join()
    for one in held:
        one.close()


def trained(flags, *signalled):
    """Trains as a worker, which may send itself a signal (its number, the update before)."""
    end = TrainingCallback.on_train_batch_end

    def on_train_batch_end(callback, batch, logs=None):
        end(callback, batch, logs)
        if signalled[1:] == (callback.step,):
            os.kill(os.getpid(), signalled[0])

    TrainingCallback.on_train_batch_end = on_train_batch_end
    # The optimiser of graphs takes a fifth of the time.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return tla_tf.train.main(["train", "--strategy=multi_worker", *flags])


class Measuring:
    """A run of several workers whose chief measures until the test lets it go on; no training."""

    def __init__(self, folder):
        self.folder = types.SimpleNamespace(path=folder)
        self.dataset = types.SimpleNamespace(require=lambda: None, announce=lambda: None)

    def check(self):
        self.strategy = strategy.make_strategy("multi_worker", 2)
        self.worker = worker_of(self.strategy)

    def finished(self):
        return False

    def plan(self):
        return "the plan"

    def train(self):
        if self.worker.is_chief:
            (self.folder.path / "measuring").touch()
            while not (self.folder.path / "go_on").exists():
                time.sleep(0.01)
        return 0

    def report(self):
        return "the results"


def measured(folder):
    run = partial(execute, Measuring(folder))
    return command_line.run([""], table=FlagTable({}), body=lambda options: run(), about="")


def said(folder, name):
    return (folder / f"{name}.txt").read_text()


def require_alike(pair, folder, **every):
    """Trains on one device, two replicas and two workers; returns all arrays after comparing them.

    In float64: sign() and Adam amplify the rounding of float32.
    """
    outputs = [folder / "local.npz", folder / "workers.npz"]
    alone = begun(partial(multi_worker.main, **every), outputs[0], output=folder / "alone.txt")
    for worker in pair(*2 * [partial(multi_worker.main, outputs[1], **every)]):
        worker.join()
        assert worker.exitcode == 0, said(folder, "errors0")[-3000:]
    alone.join()
    assert alone.exitcode == 0, said(folder, "alone")[-3000:]
    found = {}
    for output in outputs:
        with np.load(output) as arrays:
            found.update(arrays)
    for name, value in found.items():
        kind, _, case = name.partition("/")
        if kind != "device" and not case.startswith("other"):
            # The losses are shown in float32.
            bound = 1e-5 if name.endswith("/losses") else 1e-9
            difference = np.abs(value - found[f"device/{case}"]).max()
            assert difference < bound, (name, difference)
    return found


def cases_of(found, kind):
    names = (name.split("/") for name in found if name.startswith(f"{kind}/"))
    return {case for _, case, _ in names if not case.startswith("other")}


def test_one_device_two_replicas_and_two_workers_train_alike(pair, tmp_path):
    """Batch norm, attack, mining and the optimiser included."""
    found = require_alike(pair, tmp_path)
    for kind, cases in multi_worker.DIVIDED.items():
        assert cases_of(found, kind) == set(cases)
    # Mining among other candidates is another computation, so the comparison can fail.
    for kind, case in (("replicas", "tla, pool=batch"), ("device", "free hm")):
        other = found[f"{kind}/other {case}/losses"][0] - found[f"{kind}/{case}/losses"][0]
        assert np.abs(other).max() > 1e-3, case


@pytest.mark.slow
def test_every_defense_trains_alike_on_replicas_and_workers(pair, tmp_path):
    """AT, ALP, ACT and EST, which exchange less, included."""
    found = require_alike(pair, tmp_path, every=True)
    for kind in ("replicas", "workers"):
        assert cases_of(found, kind) == {*multi_worker.CASES, *multi_worker.SIMPLE}


@pytest.fixture
def forked_launcher(launcher, tmp_path, monkeypatch, heard_signals):
    """Returns the function (*arguments) -> exit code of the launcher, whose processes are forks.

    What they print is in launched.txt.
    """

    class Forked:
        def __init__(self, command, env):
            python, option, *words = command
            assert (python, option) == (sys.executable, "-m")
            main = importlib.import_module(words[0]).main
            self.process = begun(main, words, output=tmp_path / "launched.txt", environment=env)

        def wait(self):
            self.process.join(300)
            return self.process.exitcode

    monkeypatch.setattr("subprocess.Popen", Forked)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    return lambda *arguments: launcher.main([*arguments])


def test_a_lost_worker_ends_the_others_and_the_same_command_resumes(
    pair, forked_launcher, tmp_path
):
    flags = [*SMOKE, "--train_steps=12", f"--workdir={tmp_path / 'run'}"]
    chief, other = pair(partial(trained, flags), partial(trained, flags, signal.SIGKILL, 10))
    other.join(300)
    chief.join(60)
    printed, errors = said(tmp_path, "output0"), said(tmp_path, "errors0")
    assert chief.exitcode == 1, errors[-3000:]
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "another worker was lost" in lines[0]
    assert "Traceback" not in errors and "on 2 replicas" in printed
    assert said(tmp_path, "output1") == ""  # the chief prints
    code = forked_launcher("--workers=2", "-m", "tla_tf.train", *flags)
    assert code == 0, said(tmp_path, "launched")[-3000:]
    assert "resuming after step 8 of 12" in said(tmp_path, "launched")
    assert (tmp_path / "run/final.keras").exists() and (tmp_path / "run/results.jsonl").exists()


def test_a_signal_to_one_worker_stops_all_of_them(pair, tmp_path):
    flags = [*SMOKE, "--train_steps=4000", f"--workdir={tmp_path / 'run'}"]
    workers = pair(partial(trained, flags), partial(trained, flags, signal.SIGTERM, 6))
    for worker in workers:
        worker.join(300)
    codes = [worker.exitcode for worker in workers]
    assert codes == [143, 143], (
        said(tmp_path, "errors0")[-3000:] + said(tmp_path, "errors1")[-3000:]
    )


@pytest.mark.parametrize(
    "number, line", [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "stopped")]
)
def test_a_signal_ends_the_wait_for_a_worker_that_never_comes(number, line, pair, tmp_path):
    (chief,) = pair(partial(trained, [*SMOKE, f"--workdir={tmp_path / 'run'}"]))
    while not (tmp_path / "output0.txt").exists() or "waiting for" not in said(tmp_path, "output0"):
        assert chief.is_alive()
        time.sleep(0.1)
    time.sleep(1)  # in the wait itself
    os.kill(chief.pid, number)
    chief.join(10)
    errors = said(tmp_path, "errors0")
    assert chief.exitcode == 128 + number, errors[-3000:]
    lines = [found for found in errors.splitlines() if found.startswith(line)]
    assert len(lines) == 1 and "Traceback" not in errors


def test_a_port_that_another_process_has_is_one_line(tmp_path):
    with socket.create_server(("localhost", 0)) as taken:
        places = [f"localhost:{taken.getsockname()[1]}", "localhost:1"]
        task = {"type": "worker", "index": 0}
        config = json.dumps({"cluster": {"worker": places}, "task": task})
        files = {"output": tmp_path / "said.txt", "environment": {"TF_CONFIG": config}}
        worker = begun(partial(trained, [*SMOKE, f"--workdir={tmp_path / 'run'}"]), **files)
        worker.join(60)
    errors = [line for line in said(tmp_path, "said").splitlines() if line.startswith("error: ")]
    assert worker.exitcode == 2 and len(errors) == 1
    assert "another process has the port of worker 0" in errors[0]


def test_workers_with_other_flags_train_nothing(pair, tmp_path):
    """Each would apply a rate of its own to the same gradients, and drift away unseen."""
    flags = [*SMOKE, "--train_steps=12", f"--workdir={tmp_path / 'run'}"]
    other = [*flags, "--learning_rates=0.5"]
    for index, worker in enumerate(pair(partial(trained, flags), partial(trained, other))):
        worker.join(300)
        errors = said(tmp_path, f"errors{index}")
        assert worker.exitcode == 1 and "Traceback" not in errors, errors[-3000:]
        assert "the workers do not have the same flags" in errors
    assert not (tmp_path / "run").exists()


def measuring(pair, tmp_path):
    """Begins two workers; returns (chief, other) once the chief measures."""
    chief, other = pair(*2 * [partial(measured, tmp_path)])
    while not (tmp_path / "measuring").exists():
        assert chief.is_alive(), said(tmp_path, "errors0")[-3000:]
        time.sleep(0.01)
    return chief, other


def test_ctrl_c_while_the_chief_measures_is_one_line_of_each(pair, tmp_path):
    """The others wait in TensorFlow, which hears of the chief's end before Python of the signal."""
    workers = measuring(pair, tmp_path)
    for worker in workers:
        os.kill(worker.pid, signal.SIGINT)
    for index, worker in enumerate(workers):
        worker.join(300)
        errors = said(tmp_path, f"errors{index}")
        assert worker.exitcode == 130 and "Traceback" not in errors, errors[-3000:]
        assert errors.count("interrupted; the same command goes on") == 1


def test_a_worker_lost_while_the_chief_measures_costs_no_result(pair, tmp_path):
    chief, other = measuring(pair, tmp_path)
    other.kill()
    other.join()
    (tmp_path / "go_on").touch()
    chief.join(300)
    printed, errors = said(tmp_path, "output0"), said(tmp_path, "errors0")
    assert chief.exitcode == 0, errors[-3000:]
    assert errors.count("warning: another worker was lost") == 1 and "Traceback" not in errors
    assert "the results" in printed


SLEEPING = """
import signal, sys, time
def come(number, frame):
    sys.exit(7)
signal.signal(signal.SIGTERM, come)
sys.stdout.write("r")
sys.stdout.flush()
time.sleep(60)
"""


def test_the_launcher_hands_signals_on(tmp_path):
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [*LAUNCHED, "sleeping"]
    launcher = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout.read(2) == "rr"
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait() == 7 and launcher.stdout.read() == ""


def test_a_signal_while_a_worker_is_started_comes_to_all(launcher, monkeypatch, heard_signals):
    sent = []

    class Started:
        def __init__(self, command, env):
            sent.append([])
            self.sent = sent[-1]
            signal.raise_signal(signal.SIGHUP)
            self.send_signal = self.sent.append

        def wait(self):
            return 7

    monkeypatch.setattr("subprocess.Popen", Started)
    monkeypatch.setattr(launcher, "_gpus", list)
    assert launcher.main(["-m", "any"]) == 7
    assert sent == 2 * [2 * [signal.SIGHUP]]


def test_no_other_process_gets_the_place_of_a_worker(launcher):
    held, places = launcher.held_places(2)
    ports = [int(place.rpartition(":")[2]) for place in places]
    for one, port in zip(held, ports, strict=True):
        with pytest.raises(OSError):
            socket.create_server(("localhost", port))
        socket.create_server(("localhost", port), reuse_port=True).close()
        one.close()


def test_the_launcher_outlives_a_second_ctrl_c(tmp_path, heard_signals):
    """Which a terminal sends to all: it ends the workers at once."""
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    launcher = subprocess.Popen([*LAUNCHED, "sleeping"], env=environment, **pipes)
    assert launcher.stdout.read(2) == "rr"
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        launcher.send_signal(number)
        time.sleep(0.3)
    assert (launcher.wait(), launcher.stderr.read()) == (7, "")


GIVEN = """
import os, signal
ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
os.write(1, f"{os.environ['CUDA_VISIBLE_DEVICES']} {ignored}\\n".encode())
"""


@pytest.mark.parametrize(
    "visible, given", [("4,2", ["2", "4"]), ("-1", ["-1", "-1"]), (None, ["-1", "-1"])]
)
def test_the_launcher_gives_what_it_was_given(visible, given, tmp_path):
    """GPUs of a shared machine, of which this one has a single one; and nohup."""
    (tmp_path / "given.py").write_text(GIVEN)
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA Laptop GPU (UUID: GPU-1)'\n")
    driver.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PATH": path}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    nohup = ["nohup", *LAUNCHED, "given"]
    done = subprocess.run(nohup, env=environment, capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.splitlines()) == [f"{gpu} True" for gpu in given], done.stderr


def test_one_worker_needs_no_launcher():
    command = [sys.executable, LAUNCHER, "--workers=0", "-m", "tla_tf.train"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "--workers must be 2 or more" in done.stderr


@pytest.fixture
def slurm(tmp_path):
    """Returns the function (**variables) -> the launcher's process in a task of two nodes."""
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/bash\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    scontrol.chmod(0o755)
    launcher = [str(ROOT / "tools" / "launch_slurm.sh"), "printenv", "TF_CONFIG"]
    common = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_STEP_NODELIST": "n[1-2]"}
    common |= {"SLURM_JOB_ID": "1376", "SLURM_PROCID": "3", "SLURM_NTASKS": "4"}
    return lambda **variables: subprocess.run(
        launcher, env={**os.environ, **common, **variables}, capture_output=True, text=True
    )


def test_the_launcher_of_slurm_names_the_workers(slurm):
    done = slurm(SLURMD_NODENAME="n2")
    assert json.loads(done.stdout) == {
        "cluster": {"worker": ["n1:10016", "n1:10017", "n2:10016", "n2:10017"]},
        "task": {"type": "worker", "index": 3},
    }
    # A step of srun may have fewer nodes than its job.
    assert slurm(SLURM_JOB_NODELIST="n[1-4]").stdout == done.stdout
    assert '"n2:70"]' in slurm(PORT="69").stdout


def test_jobs_on_one_node_do_not_meet(slurm):
    """A worker that comes to the chief of another job would end that one, too."""
    cluster = json.loads(slurm().stdout)["cluster"]["worker"]
    others = [slurm(SLURM_JOB_ID=str(1376 + apart)).stdout for apart in (-1, 1, 2)]
    assert not any(place in other for place in cluster for other in others)


def test_a_job_script_without_srun_is_refused(slurm):
    """It is task 0 of its job, and waited for the others for ever."""
    done = slurm(SLURM_JOB_NODELIST="n[1-2]", SLURM_STEP_NODELIST="", SLURM_PROCID="0")
    assert done.returncode == 2 and done.stderr.startswith("start this with srun")


@pytest.mark.parametrize(
    "placed, said",
    [
        ({"SLURM_STEP_NODELIST": "n7"}, "does not name the nodes of n7"),  # the stub knows no n7
        ({"SLURM_NTASKS": "3"}, "do not divide"),
        ({"SLURM_PROCID": "1", "SLURMD_NODENAME": "n2"}, "runs on n2, not on n1"),  # cyclic
        ({"SLURM_PROCID": "2", "SLURMD_NODENAME": "n1"}, "runs on n1, not on n2"),  # 3 and 1
    ],
)
def test_tasks_of_slurm_that_are_placed_otherwise_are_refused(slurm, placed, said):
    """Their places would name other machines, and all would wait for ever."""
    done = slurm(**placed)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "code, restarts, requeued",
    [(143, "", True), (143, "19", True), (143, "20", False), (0, "", False), (2, "", False)],
)
def test_the_job_script_of_the_document_requeues_a_stopped_training(
    code, restarts, requeued, tmp_path
):
    """SLURM calls a job failed that ends by itself in the grace time of a pre-emption."""
    (job,) = re.findall(r"```bash\n(#!.*?)```", (ROOT / "docs/scaling.md").read_text(), re.S)
    for name, body in {"srun": f"exit {code}", "scontrol": f'echo "$@" > {tmp_path}/told'}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    environment["SLURM_RESTART_COUNT"] = restarts
    assert subprocess.run(["bash", "-c", job], env=environment).returncode == code
    told = tmp_path / "told"
    assert (told.read_text() if told.exists() else None) == ("requeue 7\n" if requeued else None)
