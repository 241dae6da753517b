"""One device with two shards and two replicas give the same weights, attack and mining included.

In float64: sign() and Adam amplify the rounding of float32.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

WORKER = pathlib.Path(__file__).with_name("replica_worker.py")


def train(folder, precision, destination, replays=1):
    """Returns case -> name -> value."""
    output = folder / "weights.npz"
    command = [sys.executable, str(WORKER), precision, destination, str(output), str(replays)]
    root = WORKER.parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    cases = {}
    with np.load(output) as arrays:
        for name in arrays:
            case, _, rest = name.partition(" ")
            cases.setdefault(case, {})[rest] = arrays[name]
    return cases


@pytest.mark.parametrize("replays", [1, 2])
def test_two_shards_equal_two_replicas(replays, tmp_path):
    """With a destination that needs all there is: a second draw and the losses before."""
    cases = train(tmp_path, "float64", "gb:semihard", replays)
    one, two, joint = (cases[case] for case in ("1", "2", "joint"))
    assert one["previous_loss"].shape == (2,) and np.all(one["previous_loss"] < 2)
    assert max(np.abs(one[name] - two[name]).max() for name in one if name != "losses") < 1e-9
    np.testing.assert_allclose(one["losses"], two["losses"], atol=1e-6)  # shown in float32
    # One large shard is another computation, so the comparison above can fail.
    assert np.abs(one["losses"][0] - joint["losses"][0]).max() > 1e-3
