"""A plain fit under MirroredStrategy, with a last batch that the replicas share unequally."""

import pathlib
import subprocess
import sys


def test_a_plain_fit_trains_and_validates_on_two_replicas():
    worker = pathlib.Path(__file__).with_name("plain_fit_on_two_replicas.py")
    done = subprocess.run([sys.executable, worker], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
