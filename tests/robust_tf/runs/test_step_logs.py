"""Logs are fetched now and then, and none is lost."""

from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from robust_tf.errors import RunError
from robust_tf.runs import step_logs
from robust_tf.runs.monitor import Monitor
from robust_tf.runs.step_logs import EVERY, StepLogs
from robust_tf.runs.training_callback import TrainingCallback
from robust_tf.training.workers import Agreement


class Told(Monitor):
    def __init__(self):
        super().__init__()
        self.after_batches, self.looks = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.after_batches.append(logs)

    def on_updates(self, logs):
        self.looks.append([entry["loss"] for entry in logs])


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(step_logs.time, "perf_counter", lambda: now[0])
    return now


def after(callbacks, losses, clock, seconds):
    callbacks.on_train_begin()
    for batch, loss in enumerate(losses):
        clock[0] += seconds
        callbacks.on_train_batch_end(batch, {"loss": tf.constant(float(loss))})


def test_fast_steps_are_looked_at_together(clock):
    told = Told()
    callbacks = StepLogs([told], model=keras.Sequential(), epochs=1, steps=6, verbose=0)
    after(callbacks, [0, 1, 2, 3, 4, 5], clock, EVERY / 3.5)
    assert told.looks == [[0], [1, 2, 3, 4]]
    assert [entry.get("loss") for entry in told.after_batches] == [0, None, None, None, 4, None]
    callbacks.on_epoch_end(0, {})
    assert told.looks[2:] == [[5]]
    callbacks.on_epoch_end(1, {})
    assert len(told.looks) == 3


def test_slow_steps_are_looked_at_one_by_one(clock):
    told = Told()
    callbacks = StepLogs([told], model=keras.Sequential(), epochs=1, steps=3, verbose=0)
    after(callbacks, [0, 1, 2], clock, 1.1 * EVERY)
    assert told.looks == [[0], [1], [2]] and [e["loss"] for e in told.after_batches] == [0, 1, 2]


@pytest.fixture
def kept():
    """(callbacks, a `TrainingCallback` among them in an interval, this one, what it has saved)."""
    found = []
    checkpoints = SimpleNamespace(
        writes=True, steps=lambda: [], save=lambda *state: found.append(state)
    )
    callback = TrainingCallback(
        None, checkpoints, 0, 10, 10, [], Agreement(tf.distribute.get_strategy())
    )
    callbacks = StepLogs([callback], model=keras.Sequential(), epochs=1, steps=10, verbose=0)
    callbacks.on_epoch_begin(0)
    return callbacks, callback, found


@pytest.mark.parametrize("loss, saved", [(2.0, [3]), (float("nan"), [])])
def test_a_state_is_saved_only_after_finite_losses(loss, saved, clock, kept):
    """The second loss is not looked at when the third update makes a checkpoint due."""
    callbacks, callback, found = kept
    after(callbacks, [1.0, loss], clock, EVERY / 10)
    callback.save_every = -1.0
    try:
        after(callbacks, [3.0], clock, EVERY / 10)
    except RunError as error:
        assert "loss is not finite at step 2" in str(error)
    assert [step for step, *_ in found] == saved


def test_a_clock_that_is_set_back_delays_no_state(clock, kept, monkeypatch):
    callbacks, callback, found = kept
    monkeypatch.setattr("time.time", lambda: 0.0)
    callback.save_every = 0.0
    after(callbacks, [1.0], clock, EVERY)
    ((step, seconds, _),) = found
    assert step == 1 and 0 <= seconds < 60
