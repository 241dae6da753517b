"""HM with ICS, killed between two checkpoints, ends bit for bit like a run that was not."""

import pathlib
import signal
import subprocess
import sys

import numpy as np
import tensorflow as tf

from hm_tf import train

ROOT = pathlib.Path(__file__).parents[2]
SMOKE = "--flagfile=flags/hm/smoke.flags"
# The smoke run has 8 updates and a checkpoint every 4.
KILLED_AFTER_6 = """
import os, signal, sys
from hm_tf import train
from hm_tf.training_run import MetricTrainingRun
from robust_tf.runs.monitor import Monitor

class Kill(Monitor):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 6:
            os.kill(os.getpid(), signal.SIGKILL)

MetricTrainingRun.monitors = lambda *_: [Kill()]
train.main(sys.argv)
"""


def tensors(folder):
    """Name -> value of all that the last checkpoint holds."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / "step-00000008" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def test_resume_is_bit_identical(finished_smoke, tmp_path, capsys):
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED_AFTER_6, SMOKE, f"--workdir={folder}"]
    killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000004"]

    assert train.main(["train", SMOKE, f"--workdir={folder}"]) == 0
    assert "resuming after step 4 of 8" in capsys.readouterr().out
    expected, found = tensors(finished_smoke), tensors(folder)
    assert expected.keys() == found.keys()
    assert any("optimizer" in name for name in expected)
    (previous,) = [expected[name] for name in expected if "previous_loss" in name]
    assert previous.shape == (2,) and np.all(previous < 2)
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name], err_msg=name)
