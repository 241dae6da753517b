"""Signals: before the first step a process ends soon, after it with its work done."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

from robust_tf.runs.interruption import StopOnInterrupt

pytestmark = pytest.mark.usefixtures("heard_signals")
ROOT = pathlib.Path(__file__).parents[3]
SCRIPT = """
import sys, time
from robust_tf.runs.interruption import StopOnInterrupt
stepped, came = sys.argv[1] == "stepped", []
with StopOnInterrupt(came.append, lambda: stepped):
    print("ready", flush=True)
    while not (came and stepped):
        time.sleep(0.01)
print(f"came {came}")
"""


def interrupted(number, *arguments):
    """Sends the signal to the script; returns (exit code, what it printed, seconds it took)."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_training_that_has_stepped_finishes_its_step(number):
    code, said, _ = interrupted(number, "stepped")
    assert code == 0 and f"came [{number}]" in said and "stopping after this step" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_is_being_traced_ends_within_two_seconds(number):
    code, said, seconds = interrupted(number, "tracing")
    assert code == 128 + number and "stopped before a step" in said
    assert seconds < 4  # 1.5 on an idle machine


IMPORTING = """
import importlib.abc, os, runpy, signal, sys
class Swallowing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == swallowing:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except BaseException:
                print("swallowed", file=sys.stderr)
swallowing = sys.argv.pop()
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a script's background job
sys.meta_path.insert(0, Swallowing())
runpy.run_module("tla_tf.train", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["numpy", "robust_tf.runs.training_run"])
def test_while_modules_are_imported_one_line_and_no_traceback(module, tmp_path):
    """Some modules swallow whatever is raised while they are imported."""
    flags = ["--flagfile=flags/tla/smoke.flags", f"--workdir={tmp_path}"]
    command = [sys.executable, "-c", IMPORTING, *flags, module]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "interrupted before the work began\n")
    assert not list(tmp_path.iterdir())


def test_a_signal_that_is_ignored_stays_ignored():
    """As SIGHUP under nohup, and SIGINT of a script's background job."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopOnInterrupt(print, lambda: True):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
