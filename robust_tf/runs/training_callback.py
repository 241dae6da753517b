"""Keeps a training: counts its updates, watches the loss, writes metrics and checkpoints."""

import time

import keras
import numpy as np

from robust_tf.errors import RunError
from robust_tf.runs.interruption import StopOnInterrupt
from robust_tf.runs.monitor import Monitor
from robust_tf.training.weight_averaging import averaged_weights, averages, own_weights


class _CheckStopped(BaseException):
    """A signal ends what monitors do at the end of an interval; no `except Exception` takes it."""


class TrainingCallback(Monitor):
    """Counts updates, watches the loss, asks the monitors, writes metrics and checkpoints."""

    def __init__(
        self, folder, checkpoints, step, train_steps, checkpoint_every, monitors, agreement
    ):
        super().__init__()
        self.folder = folder
        self.checkpoints = checkpoints
        self.step = step
        self.train_steps = train_steps
        self.checkpoint_every = checkpoint_every
        self.monitors = monitors
        self.agreement = agreement
        self.interrupted = 0  # number of the signal that ends training in all workers
        self.save_every = float("inf")  # seconds
        self.own_weights = None  # beside the averages, where the optimiser has some
        self._came = 0  # number of the signal that came to this worker
        self._checking = False  # whether the monitors look at the network
        self._saved = time.monotonic()

    def stop(self, number):
        """Ends training after the current step, and a check at once, because of a signal."""
        self._came = number
        if self._checking:
            raise _CheckStopped

    def finish_interval(self):
        """Asks the monitors what a signal or a kill has kept them from, and writes the line."""
        # The others look at no file that the chief may replace.
        due = self.checkpoints.writes and self.checkpoints.due(self.step)
        if due and all(line["step"] != self.step for line in self.folder.read_metrics()):
            print(f"finishing the interval up to step {self.step}")
            self.log(**due)
        self.hear()

    def hear(self):
        """Takes a signal that came to any worker since the last step."""
        self._take(self.agreement.total(self._signals()))

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.monotonic()
        made = self.step % self.checkpoint_every
        spent = self.checkpoints.resume_interval(self.step) if made else None
        if spent is not None:  # Ctrl-C had come in this interval; Keras begins with zeros
            self._began -= spent
            means = {metric.name: float(metric.result()) for metric in self.model.metrics}
            for monitor in self.monitors:
                monitor.on_interval_resumed(made, means)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        due = self.checkpoints.writes and time.monotonic() - self._saved > self.save_every
        *came, due = self.agreement.now_and_then(self.step, [*self._signals(), due])
        self._take(came)
        self.model.stop_training = bool(self.interrupted)
        # A checkpoint inside an interval waits for the losses up to it.
        self.wants_logs = bool(due and self.step % self.checkpoint_every)

    def on_updates(self, logs):
        for step, values in enumerate(logs, self.step - len(logs) + 1):
            broken = [name for name, value in values.items() if not np.isfinite(value)]
            if broken:
                terms = [name for name in broken if name != "loss"] or broken
                self._refuse(f"{' and '.join(terms)} is", step)
        if self.wants_logs:
            self.wants_logs = False
            self.require_finite_weights()
            self._save(round(time.monotonic() - self._began, 3))

    def on_epoch_end(self, epoch, logs=None):
        self.require_finite_weights()
        seconds = round(time.monotonic() - self._began, 3)
        if self.step % self.checkpoint_every == 0 or self.step == self.train_steps:
            means = {name: float(value) for name, value in logs.items()}
            # A longer run, going on from here, must not count the seconds again.
            self._save(0.0, {"logs": means, "seconds": seconds})
            self.log(logs, seconds)
            self.hear()
            self.model.stop_training = bool(self.interrupted)
        else:
            self._save(seconds)
        if averages(self.model.optimizer):
            self.own_weights = own_weights(self.model.optimizer)

    def _signals(self):
        return [self._came == number for number in StopOnInterrupt.SIGNALS]

    def _take(self, came):
        for number, count in zip(StopOnInterrupt.SIGNALS, came, strict=True):
            if count:
                self.interrupted = number

    def _save(self, seconds, due=None):
        self.checkpoints.save(self.step, seconds, due)
        self._saved = time.monotonic()

    def require_finite_weights(self):
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            self._refuse("the weights are", self.step)

    def log(self, logs, seconds):
        """Asks the monitors and writes the line of an interval, unless a signal has come."""
        if not self.checkpoints.writes or self.interrupted:
            return
        self.checkpoints.wait()  # whatever happens to the monitors, the state is kept
        try:
            self._ask_monitors(logs)
        except _CheckStopped:
            return
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        values = {name: float(value) for name, value in logs.items()}
        self.folder.log_metrics(
            {"step": self.step, **values, "learning_rate": rate, "seconds": seconds}
        )

    def _ask_monitors(self, logs):
        scope = self.model.distribute_strategy.scope()
        with scope, averaged_weights(self.model.optimizer):
            self._checking = True
            try:
                if self._came:  # before, as while the disk was waited for
                    raise _CheckStopped
                for monitor in self.monitors:
                    monitor.on_interval_end(logs)
            finally:
                self._checking = False

    def _refuse(self, what, step):
        steps = self.checkpoints.steps()
        kept = (
            f"checkpoint of step {steps[-1]} is kept" if steps else "no checkpoint was written yet"
        )
        raise RunError(
            f"{what} not finite at step {step}; {kept}. "
            "A lower learning rate or float32 often helps"
        )
