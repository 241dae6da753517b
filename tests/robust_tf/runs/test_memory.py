"""What a step of training, and an evaluation, leave in memory."""

import gc
import json
import pathlib
import resource

import keras
import numpy as np
import pytest
from forked import ran

from robust_tf.evaluation.robust_accuracy import robust_accuracy
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.runs.fitting import Board
from robust_tf.runs.progress_line import ProgressLine
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.step_logs import StepLogs
from robust_tf.runs.training_callback import TrainingCallback
from robust_tf.training.workers import Agreement

EPOCH, EPOCHS, PARTS = 50, 24, 6


def memory():
    """MiB of this process now."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class Watch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(memory())


def growth(seen):
    """MiB from one of these numbers to the next; the first ones fill caches.

    What each keeps shows in all parts of them. A jump in one part is of the process.
    """
    parts = np.median(np.reshape(seen, [PARTS, -1]), axis=1)[2:]
    return np.median(np.diff(parts)) / (len(seen) // PARTS)


def test_a_training_does_not_grow(tmp_path):
    """2.5 MiB in 5,000 steps are allowed."""
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae", "mape"], jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    checkpoints, watch = Checkpoints(tmp_path / "checkpoints", model), Watch()
    alone = Agreement(model.distribute_strategy)
    callback = TrainingCallback(
        RunFolder(tmp_path), checkpoints, 0, EPOCH * EPOCHS, EPOCH, [], alone
    )
    callbacks = StepLogs(
        [callback, Board(tmp_path / "board"), ProgressLine(EPOCHS), watch],
        **{"model": model, "epochs": EPOCHS, "steps": EPOCH, "verbose": 0},
    )
    x = np.zeros([EPOCH, 2], np.float32)
    with checkpoints:
        model.fit(x, x, batch_size=1, epochs=EPOCHS, callbacks=callbacks, verbose=0)
    assert growth(watch.seen) / EPOCH < 2.5 / 5000


@pytest.mark.parametrize(
    "count, allowed", [(12, 5.0), pytest.param(72, 1.0, marks=pytest.mark.slow)]
)
def test_evaluations_do_not_grow(count, allowed, tmp_path):
    """Each compiles its attacks; MiB are allowed for 50.

    The process is new: what earlier tests have left in this one comes and goes.
    """
    code, printed = ran(evaluations, count, output=tmp_path / "printed")
    assert code == 0, printed
    seen = json.loads(printed.splitlines()[-1])
    assert len(seen) == count and 50 * growth(seen) < allowed


def evaluations(count):
    network = keras.Sequential([keras.Input([2, 2, 1]), keras.layers.Flatten()])
    network.add(keras.layers.Dense(3))
    x, y = np.random.default_rng(0).random([8, 2, 2, 1], np.float32), np.arange(8) % 3
    seen = []
    for _ in range(count):
        robust_accuracy(network, x, y, attack=["pgd2"], eps=0.1, progress=False)
        seen.append(memory())
    print(json.dumps(seen))
    return 0
