"""One replica and two give the same weights: batch norm, PGD, mining and the optimiser included.

In float64, since sign() and Adam amplify float32's rounding.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

WORKER = pathlib.Path(__file__).with_name("replica_worker.py")
BATCH = ("--batch_size=16", "--attack_steps=3", "--pool=batch")
STREAMS = (
    *("--batch_size=16", "--attack_steps=2", "--pool=separate", "--pool_mul=2", "--positive=both"),
    *("--own_noise=8/255", "--match_l2=0.5", "--negative=masked", "--optimizer=momentum"),
    *("--awp=0.01", "--ema=0.9", "--eps_warmup_steps=3"),
)


def train(folder, precision, flags):
    """Returns name -> value after training on one replica, and on two."""
    output = folder / "weights.npz"
    command = [sys.executable, str(WORKER), precision, str(output), *flags]
    environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(output) as arrays:
        one = {name[2:]: arrays[name] for name in arrays if name.startswith("1 ")}
        return one, {name: arrays[f"2 {name}"] for name in one}


@pytest.mark.parametrize("flags", [BATCH, STREAMS], ids=["pool_batch", "pool_separate"])
def test_one_replica_equals_two(tmp_path, flags):
    one, two = train(tmp_path, "float64", flags)
    assert max(np.abs(one[name] - two[name]).max() for name in one if name != "losses") < 1e-9


def test_local_mining_is_another_computation(tmp_path):
    """Half of the candidates are gone, so the comparisons above can fail."""
    one, two = train(tmp_path, "float32", (*BATCH, "--mining=replica"))
    assert np.abs(one["losses"][0] - two["losses"][0]).max() > 1e-3
