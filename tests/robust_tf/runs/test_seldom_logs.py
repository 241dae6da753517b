"""Logs are fetched now and then, and none is lost."""

import keras
import pytest
import tensorflow as tf

from robust_tf.runs import seldom_logs
from robust_tf.runs.monitor import Monitor
from robust_tf.runs.seldom_logs import EVERY, SeldomLogs


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
    monkeypatch.setattr(seldom_logs.time, "perf_counter", lambda: now[0])
    return now


def after(callbacks, losses, clock, seconds):
    callbacks.on_train_begin()
    for batch, loss in enumerate(losses):
        clock[0] += seconds
        callbacks.on_train_batch_end(batch, {"loss": tf.constant(float(loss))})


def test_fast_steps_are_looked_at_together(clock):
    told = Told()
    callbacks = SeldomLogs([told], model=keras.Sequential(), epochs=1, steps=6, verbose=0)
    after(callbacks, [0, 1, 2, 3, 4, 5], clock, EVERY / 3.5)
    assert told.looks == [[0], [1, 2, 3, 4]]
    assert [entry.get("loss") for entry in told.after_batches] == [0, None, None, None, 4, None]
    callbacks.on_epoch_end(0, {})
    assert told.looks[2:] == [[5]]
    callbacks.on_epoch_end(1, {})
    assert len(told.looks) == 3


def test_slow_steps_are_looked_at_one_by_one(clock):
    told = Told()
    callbacks = SeldomLogs([told], model=keras.Sequential(), epochs=1, steps=3, verbose=0)
    after(callbacks, [0, 1, 2], clock, 1.1 * EVERY)
    assert told.looks == [[0], [1], [2]] and [e["loss"] for e in told.after_batches] == [0, 1, 2]
