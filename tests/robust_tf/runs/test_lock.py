"""One process trains in a folder; another is refused, and the one that holds it is named."""

import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext

import pytest

from robust_tf.errors import UserError
from robust_tf.runs import lock

ROOT = pathlib.Path(__file__).parents[3]
HOLD = """
import sys, time
from robust_tf.runs import lock
with lock.held(sys.argv[1], shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    time.sleep(60)
"""


def unknown(*_):
    """In the place of `fcntl.flock`, on a file system that has none."""
    raise OSError("no locks available")


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds the lock of tmp_path/run; returns it."""
    processes = []

    def start(mode="alone"):
        command = [sys.executable, "-c", HOLD, str(tmp_path / "run"), mode]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("mode, shared", [("alone", False), ("alone", True), ("shared", False)])
def test_a_second_process_is_refused_and_the_first_named(mode, shared, holder, tmp_path):
    first = holder(mode)
    with pytest.raises(UserError) as error, lock.held(tmp_path / "run", shared=shared):
        pass
    assert f"in use by process {first.pid} on {socket.gethostname()}, since 20" in str(error.value)


def test_processes_that_share_do_not_wait(holder, tmp_path):
    holder("shared")
    with lock.held(tmp_path / "run", shared=True):
        pass
    with pytest.raises(UserError), lock.held(tmp_path / "run"):
        pass


@pytest.mark.parametrize("mode", ["alone", "shared"])
def test_a_killed_process_holds_nothing(mode, holder, tmp_path):
    process = holder(mode)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "run/lock").exists()
    with lock.held(tmp_path / "run"):
        named = json.loads((tmp_path / "run/lock").read_text())
        assert (named["pid"], named["host"]) == (os.getpid(), socket.gethostname())
    assert not (tmp_path / "run").exists(), "it came to nothing"


def test_folders_that_it_made_go_and_others_stay(tmp_path):
    with lock.held(tmp_path / "runs/digits/seed0"):
        assert (tmp_path / "runs/digits/seed0/lock").exists()
    assert tmp_path.exists() and not os.listdir(tmp_path)


def test_the_lock_goes_and_the_work_stays(tmp_path):
    with lock.held(tmp_path / "run"):
        (tmp_path / "run/work").touch()
    assert os.listdir(tmp_path / "run") == ["work"]


@pytest.fixture
def other_host(tmp_path, monkeypatch):
    """The lock of a process on another host, which this kernel knows nothing of."""
    monkeypatch.setattr(lock, "RENEWED", 0.6)
    monkeypatch.setattr(lock, "PATIENCE", 0.2)
    path = tmp_path / "lock"
    holder = {"host": "far", "pid": 7, "start": "2020-01-01T00:00:00+00:00", "shared": False}
    path.write_text(json.dumps(holder))
    os.utime(path, 2 * (time.time() - 60,))
    return path


@pytest.fixture
def meanwhile(monkeypatch):
    """Returns the function (act) that lets `act()` happen while the lock is waited for."""
    monkeypatch.setattr(lock, "PATIENCE", 60)
    return lambda act: monkeypatch.setattr(lock.time, "sleep", lambda seconds: act())


def test_on_another_host_a_living_process_renews_its_lock(other_host, meanwhile):
    meanwhile(lambda: os.utime(other_host))
    refused = pytest.raises(UserError, match="in use by process 7 on far, since 2020")
    with refused, lock.held(other_host.parent):
        pass


def test_the_times_of_an_open_file_are_not_believed(other_host, meanwhile, monkeypatch):
    """NFS keeps them for up to a minute, until the file is opened again."""
    fstat, first = os.fstat, {}

    def stale(file):
        first.setdefault("file", file)
        first.setdefault("found", fstat(file))
        return first["found"] if file == first["file"] else fstat(file)

    monkeypatch.setattr("os.fstat", stale)
    test_on_another_host_a_living_process_renews_its_lock(other_host, meanwhile)


def test_on_another_host_one_that_ends_meanwhile_is_not_waited_for(other_host, meanwhile):
    meanwhile(other_host.unlink)
    with lock.held(other_host.parent):
        assert json.loads(other_host.read_text())["pid"] == os.getpid()


def test_on_another_host_a_dead_one_does_not(other_host, capsys):
    with lock.held(other_host.parent):
        pass
    assert "waiting whether process 7 on far, since 2020" in capsys.readouterr().out


def test_the_name_of_another_host_commands_no_terminal(other_host, capsys):
    other_host.write_text(other_host.read_text().replace("far", "far\\u001b[31m"))
    with lock.held(other_host.parent):
        pass
    assert r"on far\x1b[31m, since" in capsys.readouterr().out


def test_nobody_waits_for_an_old_one(other_host, capsys):
    os.utime(other_host, (0, 0))
    with lock.held(other_host.parent):
        pass
    assert not capsys.readouterr().out


def test_a_holder_renews_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "RENEWED", 0.01)
    with lock.held(tmp_path):
        os.utime(tmp_path / "lock", (0, 0))
        for _ in range(3000):
            if os.stat(tmp_path / "lock").st_mtime:
                return
            threading.Event().wait(0.02)
    pytest.fail("it was not renewed")


OF_TEXT = {"host": socket.gethostname(), "pid": "x", "start": "now", "shared": False}


@pytest.mark.parametrize(
    "content", ["", "5", "{}", '{"host": "far"}', "\x00" * 40, "[" * 9999, json.dumps(OF_TEXT)]
)
def test_a_damaged_lock_is_taken(content, tmp_path, monkeypatch):
    (tmp_path / "lock").write_text(content)
    monkeypatch.setattr("fcntl.flock", unknown)  # who holds it is then asked of the file
    with lock.held(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_folder_that_nobody_can_write_in_needs_no_lock(tmp_path, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(lock, "_acquired", read_only)
    with lock.held(tmp_path, shared=True):
        assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "process, alive", [("parent", True), ("ended", False), ("own", False), ("none", False)]
)
def test_without_the_kernels_locks_the_process_is_looked_for(process, alive, tmp_path, monkeypatch):
    """One with this number was in the container that this one is started in again."""
    monkeypatch.setattr("fcntl.flock", unknown)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    pid = {"parent": os.getppid(), "ended": ended.pid, "own": os.getpid(), "none": 2**80}[process]
    named = {"host": socket.gethostname(), "pid": pid, "start": "now", "shared": False}
    (tmp_path / "lock").write_text(json.dumps(named))
    refused = pytest.raises(UserError, match=f"process {pid}") if alive else nullcontext()
    with refused, lock.held(tmp_path):
        assert not alive
    # A command on another machine would wait whether this process is alive.
    assert (tmp_path / "lock").exists() == alive
