"""What stands on the screen while a run is trained."""

import contextlib
import re
import time

import keras
import numpy as np
import pytest

from robust_tf.runs import progress_line
from robust_tf.runs.progress_line import ProgressLine, fitting

pytestmark = pytest.mark.usefixtures("eager")
LOGS = {"cross_entropy": 2.6131, "embedding_norm": 16.8447, "loss": 2.6532}
LOGS |= {"robust_accuracy": 0.1406, "skipped_triplets": 0.0, "triplet": 0.04}


def test_loss_and_accuracy_come_first_and_the_rest_as_far_as_it_fits(monkeypatch):
    assert list(fitting(LOGS)) == ["loss", "robust_accuracy"]
    assert list(fitting({"hardness": 1.0, "loss": 2.0})) == ["loss", "hardness"]
    others = ["cross_entropy", "embedding_norm", "skipped_triplets", "triplet"]
    monkeypatch.setattr(progress_line, "COLUMNS", 1000)
    assert list(fitting(LOGS)) == ["loss", "robust_accuracy", *others]


class StopAfter(keras.callbacks.Callback):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 == self.batches


@pytest.fixture
def shown(capsys):
    """Trains epochs 2 and 3 of 7, of 4 steps each; returns the lines, without colours."""

    def shown(*callbacks):
        model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
        model.compile(loss="mse", metrics=["mae", "mse", "mape", "msle"])
        x = np.zeros([4, 1])
        model.fit(
            x, x, batch_size=1, initial_epoch=1, epochs=3, callbacks=[ProgressLine(7), *callbacks]
        )
        plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        return [line.strip() for line in re.split(r"[\r\n]|\x08", plain) if line.strip()]

    return shown


def test_epochs_of_the_whole_run_within_80_columns(shown):
    lines = shown()
    assert [line for line in lines if line.startswith("Epoch")] == ["Epoch 2/7", "Epoch 3/7"]
    assert lines[-1].startswith("4/4") and "loss: 0.0000" in lines[-1]
    assert max(map(len, lines)) <= 80


def test_a_log_has_few_lines_and_none_over_another(capsys):
    """A file or a pipe, which `capsys` is."""
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile(loss="mse")

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.06)  # longer than Keras waits between two lines

    x = np.zeros([8, 1])
    model.fit(x, x, batch_size=1, epochs=2, callbacks=[Slow(), ProgressLine(2)])
    said = capsys.readouterr().out
    assert not set(said) & set("\b\r\x1b")
    assert len(re.findall("[1-7]/8", said)) <= 2 and said.count("8/8") == 2


@pytest.mark.parametrize("watched, between", [(True, " "), (False, "\ncompiled in ")])
def test_the_first_step_has_a_line_of_its_own_and_no_estimate(shown, watched, between, monkeypatch):
    monkeypatch.setattr(progress_line, "is_watched", lambda stream: watched)
    lines = shown()
    said = re.search(
        rf"{re.escape(progress_line.COMPILING)}{between}\d+ s$", "\n".join(lines), re.M
    )
    assert lines[1].startswith(progress_line.COMPILING) and said
    assert "\n".join(lines).count("compil") == (1 if watched else 2)
    assert not any(line.startswith("1/4") for line in lines[:3])


class Warn(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        print("warning: of the step")


def test_a_warning_in_a_log_has_a_line_of_its_own(capsys):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile(loss="mse")
    line = ProgressLine(2)
    x = np.zeros([4, 1])
    model.fit(x, x, batch_size=1, epochs=2, callbacks=[line, Warn()])
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("warning: of the step") == 8
    assert sum("warning" in line for line in lines) == 8 and "" not in lines


class Measure(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["clean_accuracy"], logs["another"] = 0.975, 1.0


def test_accuracies_of_an_interval_that_do_not_fit_have_a_line(capsys):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=[keras.metrics.MeanSquaredError(name="robust_accuracy")])
    model.fit(np.zeros([4, 1]), np.zeros([4, 1]), callbacks=[Measure(), ProgressLine(1)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "  clean_accuracy 0.9750" and "robust_accuracy" in lines[-2]


def test_after_an_interruption_no_step_is_shown_that_was_not_made(shown):
    lines = shown(StopAfter(2))
    assert lines[-1].startswith("2/4") and not any("4/4" in line for line in lines)


class Fail(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise RuntimeError


def test_an_error_has_a_line_of_its_own(capsys):
    model, line = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)]), ProgressLine(1)
    model.compile(loss="mse")
    with pytest.raises(RuntimeError), contextlib.closing(line):
        model.fit(np.zeros([4, 1]), np.zeros([4, 1]), callbacks=[Fail(), line])
    assert capsys.readouterr().out.endswith("compiling the train step and the attack in it ...\n")


def test_a_line_that_has_ended_is_not_ended_again(capsys):
    model, line = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)]), ProgressLine(1)
    model.compile(loss="mse")
    with contextlib.closing(line):
        model.fit(np.zeros([4, 1]), np.zeros([4, 1]), callbacks=[line])
    assert not capsys.readouterr().out.endswith("\n\n")
