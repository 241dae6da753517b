"""Signals while workers wait for a disk or for one another, without a step of a training."""

import signal
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from robust_tf.runs import fitting
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.runs.monitor import Monitor
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.training_callback import TrainingCallback
from robust_tf.training.workers import Agreement


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


class Unasked(Monitor):
    def on_interval_end(self, logs):
        pytest.fail("a check began after the signal")


def callback_of(model, checkpoints, *monitors):
    agreement = Agreement(tf.distribute.get_strategy())
    callback = TrainingCallback(None, checkpoints, 10, 20, 10, monitors, agreement)
    callback.set_model(model)
    return callback


def test_a_signal_while_the_disk_is_waited_for_lets_no_check_begin(model):
    """A check of held-out images takes minutes, and a cluster kills after half a minute."""
    waited = SimpleNamespace(writes=True, wait=lambda: callback.stop(signal.SIGTERM))
    callback = callback_of(model, waited, Unasked())
    callback.log({}, 0.0)
    callback.hear()
    assert callback.interrupted == signal.SIGTERM


def test_the_chief_alone_reads_what_it_may_replace(model):
    """On NFS a file that is replaced meanwhile is stale for who reads it on another machine."""
    callback_of(model, SimpleNamespace(writes=False)).finish_interval()


def test_signals_are_heard_while_workers_wait_for_the_disk_of_the_chief(
    model, monkeypatch, tmp_path
):
    """And once more when none is heard any longer, for one that came in between."""
    usual, events = signal.getsignal(signal.SIGTERM), []

    def total(agreement, numbers):
        events.append(signal.getsignal(signal.SIGTERM) != usual)
        return numbers

    monkeypatch.setattr(Checkpoints, "wait", lambda checkpoints: events.append("disk"))
    monkeypatch.setattr(Agreement, "total", total)
    fitting.train(model, None, RunFolder(tmp_path), train_steps=0, checkpoint_every=1)
    assert events[1:] == [True, "disk", True, "disk", False]  # the first is a look for states
