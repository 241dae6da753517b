import errno
import os
import re
import shutil
import stat
import subprocess
import sys

import pytest

from robust_tf.results import atomic


@pytest.fixture
def calls(monkeypatch):
    """What reaches the disk, in order: synced paths and renames."""
    found, sync, replace = [], os.fsync, os.replace

    def fsync(descriptor):
        found.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def rename(old, new):
        found.append("rename")
        replace(old, new)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("os.replace", rename)
    return found


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the calls")
def test_the_kernel_is_asked_to_sync_before_every_rename(tmp_path):
    """A file before it is renamed, its folder after; a line before append returns."""
    script = (
        "from robust_tf.results import atomic, jsonl\n"
        f"atomic.write({str(tmp_path / 'a')!r}, 'text')\n"
        f"jsonl.append({str(tmp_path / 'b')!r}, [{{'x': 1}}])\n"
    )
    traced = ["strace", "-f", "-e", "trace=fsync,fdatasync,rename", sys.executable, "-c", script]
    said = subprocess.run(traced, capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip("no process may be traced here")
    assert re.findall(r"(fsync|rename)\(", said.stderr) == ["fsync", "rename", "fsync", "fsync"]


@pytest.mark.parametrize("content", ["text\n", b"\x00\xff"])
def test_a_file_is_replaced_after_its_content_is_on_the_disk(content, tmp_path, calls):
    path = tmp_path / "config.json"
    path.write_text("old")
    atomic.write(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert calls == [f"config.json.{os.getpid()}.partial", "rename", tmp_path.name]
    assert os.listdir(tmp_path) == ["config.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text("old")

    def full(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["config.json"]


def test_a_pipe_stays_a_pipe(tmp_path):
    """As /dev/stdout, or /dev/null of root."""
    os.mkfifo(path := tmp_path / "pipe")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    atomic.write(path, "text")
    assert os.read(reader, 9) == b"text" and path.is_fifo()
    os.close(reader)


def test_a_file_system_that_cannot_sync_folders(tmp_path, monkeypatch):
    sync = os.fsync

    def of_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", of_files)
    atomic.write(tmp_path / "config.json", "new")
    assert (tmp_path / "config.json").read_text() == "new"


def test_a_folder_appears_after_everything_in_it(tmp_path, calls):
    beside = tmp_path / "step.partial"
    (beside / "state").mkdir(parents=True)
    (beside / "state" / "weights").write_bytes(b"1")
    (beside / "interval.json").write_text("{}")
    atomic.rename(beside, tmp_path / "step")
    assert set(calls[:4]) == {"state", "weights", "interval.json", "step.partial"}
    assert calls[4:] == ["rename", tmp_path.name]
    assert (tmp_path / "step" / "state" / "weights").read_bytes() == b"1"
