"""Signals: before the first step a process ends soon, after it with its work done."""

import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import termios
import threading
import time

import pytest

from robust_tf.runs import interruption
from robust_tf.runs.interruption import StopOnInterrupt

pytestmark = pytest.mark.usefixtures("heard_signals")
ROOT = pathlib.Path(__file__).parents[3]
SCRIPT = """
import sys, time
from robust_tf.runs import interruption
interruption.PATIENCE /= 10
stepped, came = sys.argv[1] == "stepped", []
with interruption.StopOnInterrupt(came.append, lambda: stepped):
    print("ready", flush=True)
    while not (came and stepped):
        time.sleep(0.01)
print(f"came {came}")
"""


def interrupted(number, *arguments):
    """Sends the signal to the script; returns (exit code, what it printed)."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_training_that_has_stepped_finishes_its_step(number):
    code, said = interrupted(number, "stepped")
    assert code == 0 and f"came [{number}]" in said and "stopping after this step" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_is_being_traced_ends_within_two_seconds(number):
    """It would go on for ever: all that it waits is PATIENCE, here a tenth of it."""
    code, said = interrupted(number, "tracing")
    assert code == 128 + number and "stopped before a step" in said
    assert interruption.PATIENCE < 2


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
print("a result")
runpy.run_module("tla_tf.train", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["numpy", "robust_tf.runs.training_run"])
def test_while_modules_are_imported_one_line_and_no_traceback(module, tmp_path):
    """Some modules swallow whatever is raised while they are imported.

    Some are imported after the training: what was printed is shown, and the line does not say that
    nothing was done.
    """
    flags = ["--flagfile=flags/tla/smoke.flags", f"--workdir={tmp_path}"]
    command = [sys.executable, "-c", IMPORTING, *flags, module]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    said = "interrupted; the same command goes on where it stopped\n"
    assert (done.returncode, done.stderr, done.stdout) == (130, said, "a result\n")
    assert not list(tmp_path.iterdir())


PRINTING = """
import sys, time
from robust_tf.runs.interruption import StopOnInterrupt
stepped, came = sys.argv[1] == "stepped", []
with StopOnInterrupt(came.append, lambda: stepped):
    print("ready", flush=True)
    while not (came and stepped):
        print("a step", flush=True)
        time.sleep(0.01)
    time.sleep(0.1)
    print("another step", flush=True)
print(came, file=sys.stderr)
"""


def printing(moment, output, **more):
    command = [sys.executable, "-c", PRINTING, moment]
    errors = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=errors, text=True, **more)


def test_a_reader_that_has_gone_lets_the_step_be_finished():
    """As `tee`, which Ctrl-C ends at once."""
    process = printing("stepped", subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (f"[{signal.SIGPIPE!r}]\n", 0)


def test_before_the_first_step_there_is_nothing_to_finish():
    process = printing("tracing", subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    assert process.stderr.read().endswith("BrokenPipeError: [Errno 32] Broken pipe\n")


def test_a_closed_terminal_lets_the_step_be_finished():
    """SIGHUP comes, and every line is an error from then on."""
    ours, terminal = os.openpty()

    def controlled():
        os.setsid()
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    process = printing("stepped", terminal, preexec_fn=controlled)
    os.close(terminal)
    assert os.read(ours, 5) == b"ready"
    os.close(ours)
    assert (process.stderr.read(), process.wait(60)) == (f"[{int(signal.SIGHUP)}]\n", 0)


def test_two_signals_before_a_step_and_nobody_who_reads():
    """As of `timeout`, which signals the process and its group, of `python ... | head`."""
    command = [sys.executable, "-c", SCRIPT, "tracing"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert (process.stderr.read(), process.wait(60)) == ("", 128 + signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_two_signals_at_once_are_one(number, capsys, monkeypatch):
    """systemd ends a session with SIGTERM and SIGHUP, `timeout` sends its signal twice."""
    # Two looks at the clock, of the first and of the third: the second is another number.
    clock = iter((100.0, 100.4))
    monkeypatch.setattr("time.monotonic", lambda: next(clock, 100.4))
    came = []
    with StopOnInterrupt(came.append, lambda: True):
        for one in (number, signal.SIGHUP, number):
            signal.raise_signal(one)
    assert came == [number] and capsys.readouterr().out.count("stopping") == 1


def test_ctrl_c_again_ends_at_once(monkeypatch):
    monkeypatch.setattr(interruption, "TOGETHER", 0)
    with pytest.raises(KeyboardInterrupt), StopOnInterrupt(print, lambda: True):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")


def test_a_signal_in_the_middle_of_a_line_is_no_error(monkeypatch):
    """The buffer of the output is in use, and takes no line from the handler."""

    def reentrant(*_, **__):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stdout>'>")

    monkeypatch.setattr("builtins.print", reentrant)
    came = []
    with StopOnInterrupt(came.append, lambda: True):
        signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM]


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


def test_a_signal_that_somebody_else_handles_ends_nothing(monkeypatch):
    """As SIGUSR1, by which a cluster tells its own wrapper that time is running out."""
    ends, before = [], {*threading.enumerate()}
    monkeypatch.setattr(interruption, "PATIENCE", 0)
    monkeypatch.setattr(interruption.os, "_exit", ends.append)
    usual = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with StopOnInterrupt(print, lambda: False):
            (thread,) = {*threading.enumerate()} - before
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, usual)
    thread.join(60)
    assert not ends
