"""System calls of a run, as strace sees them: TensorFlow's own files, too."""

import collections
import concurrent.futures
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import reliability
from forked import FORKING
from test_checkpoints import fill, make_model, state

from robust_tf.runs.checkpoints import Checkpoints

ROOT = pathlib.Path(__file__).parents[3]
CHANGING = "openat,mkdir,rename,renameat,unlink,unlinkat,rmdir,write,pwrite64,ftruncate,fsync"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace sees the calls"),
]


def unsynced(lines, folder):
    """What a power loss could take of the files below `folder`, from the lines of strace -y.

    Returns:
        (what was written or renamed, and not synced before its last name or the end; number of
        renames; number of syncs).
    """
    written, lost, renames, syncs = set(), [], 0, 0
    for line in lines:
        if call := re.search(rf"(write|pwrite64|ftruncate|fsync)\(\d+<({folder}.*?)>", line):
            name, path = call.groups()
            syncs += name == "fsync"
            written.discard(path) if name == "fsync" else written.add(path)
        elif call := re.search(rf'rename\w*\(.*?"({folder}.+?)", .*?"(.+?)"', line):
            renames += 1
            old, new = call.groups()
            moved = {path for path in written if f"{path}/".startswith(f"{old}/")}
            written -= moved
            if ".partial/" in new:  # TensorFlow's names inside a checkpoint that has no name yet
                written |= {new + path.removeprefix(old) for path in moved}
            else:
                lost += moved
            written.add(os.path.dirname(new))
        elif call := re.search(rf'(?:unlink|rmdir)\w*\(.*?"({folder}.+?)"', line):
            written.discard(call[1])
    return lost + sorted(written), renames, syncs


def test_whatever_a_run_renames_is_synced_before_and_its_folder_after(tmp_path):
    folder, trace = tmp_path / "run", tmp_path / "trace"
    strace = ["strace", "-f", "-y", "--seccomp-bpf", "-o", trace, "-e", f"trace={CHANGING}"]
    flags = ["--flagfile=flags/tla/smoke.flags", "--held_out=60", "--select=best"]
    command = [sys.executable, "-m", "tla_tf.train", *flags, f"--workdir={folder}"]
    subprocess.run([*strace, *command], cwd=ROOT, check=True, capture_output=True)
    left, renames, syncs = unsynced(trace.read_text(errors="replace").splitlines(), folder)
    reliability.row("system calls of a run", renames=renames, syncs=syncs, unsynced=len(left))
    # The curves of TensorBoard are in metrics.jsonl, too. The lock ends with its process.
    assert not [path for path in left if "/tensorboard" not in path and "/lock" not in path]
    assert renames > 10 and syncs > 2 * renames


class Inline:
    """An executor without a thread: strace numbers the calls of each thread."""

    def submit(self, function, *arguments):
        done = concurrent.futures.Future()
        done.set_result(function(*arguments))
        return done


def save(folder, ready, begin):
    """Saves a state in a process of its own, between two events."""
    model = make_model()
    fill(model, 10)
    checkpoints = Checkpoints(folder, model)
    checkpoints._thread = Inline()
    ready.set()
    begin.wait()
    checkpoints.save(10)


def killed_save(folder, call, number):
    """Saves a state in a process that is killed before such a system call; returns whether."""
    ready, begin = (FORKING.Event() for _ in range(2))
    process = FORKING.Process(target=save, args=(folder, ready, begin))
    process.start()
    ready.wait()
    what = ["-e", f"inject={call}:signal=KILL:when={number}", "-p", str(process.pid)]
    strace = ["strace", "-f", "-o", os.devnull, "-e", f"trace={call}", *what]
    with subprocess.Popen(strace, stderr=subprocess.PIPE, text=True) as tracer:
        if "attached" not in tracer.stderr.readline():
            process.kill()
            pytest.skip("no process may be traced here")
        begin.set()
        process.join()
    return process.exitcode != 0


def test_a_kill_before_every_system_call_of_a_checkpoint(tmp_path):
    """A killed save leaves the state before, or the new one, and the next save works."""
    model, saved, folder = make_model(), tmp_path / "saved", tmp_path / "killed"
    with Checkpoints(saved, model) as checkpoints:
        for step in (4, 6, 8):
            fill(model, step)
            checkpoints.save(step)
    outcomes = collections.Counter()
    for call in CHANGING.split(","):
        for number in itertools.count(1):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(saved, folder)
            if not killed_save(folder, call, number):
                break
            found = Checkpoints(folder, model)
            step = found.restore_latest()
            assert all((value == step).all() for value in state(model))
            found.save(12)
            assert found.steps()[-1] == 12 and len(list(folder.iterdir())) == 3
            outcomes[call, step] += 1
    counts = {f"{call}, then step {step}": n for (call, step), n in outcomes.items()}
    reliability.row("kills before a system call", tried=outcomes.total(), other=0, **counts)
    assert {step for _, step in outcomes} == {8, 10} and outcomes.total() > 30
