"""The one way a model is trained: `fit` in intervals, resumable after every one of them."""

import contextlib
import datetime
import time

import keras
import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import is_assertion
from robust_tf.errors import RunError, UserError
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.runs.interruption import StopOnInterrupt
from robust_tf.runs.monitor import Monitor
from robust_tf.runs.progress_line import ProgressLine
from robust_tf.runs.seldom_logs import SeldomLogs
from robust_tf.training import workers
from robust_tf.training.weight_averaging import (
    averaged_weights,
    averages,
    give_back,
    own_weights,
    take_averages,
)


def train(
    model,
    make_dataset,
    folder,
    *,
    train_steps,
    checkpoint_every,
    save_every_minutes=10.0,
    keep_checkpoints=3,
    monitors=(),
):
    """Trains `model` from its last checkpoint in `folder` up to `train_steps` updates.

    What Keras calls an epoch is here one checkpoint interval. Since batches and random draws are
    functions of seed and step, a run that was killed and started again ends in the same weights,
    and as its monitors look at the same steps, in the same metrics. What they do at the end of an
    interval may take minutes: the checkpoint is written before, and a signal ends it.

    An optimiser that averages the weights leaves the averages in the finished model. Monitors see
    the averages; checkpoints hold both.

    Args:
        model: compiled `AdversarialModel`.
        make_dataset: function (start_step, stop_step) -> dataset of the batches of those updates.
        folder: `RunFolder`.
        train_steps: number of updates in all.
        checkpoint_every: updates between checkpoints.
        save_every_minutes: minutes after which a checkpoint is written inside an interval, too.
        keep_checkpoints: how many checkpoints stay.
        monitors: `Monitor`s that add to the logs of an interval before they are written.

    Returns:
        (number of updates done, number of the signal that stopped training or 0).

    Raises:
        UserError: the checkpoints of a run that has metrics are gone.
        RunError: a loss term is not finite, or a batch is out of range.
    """
    worker = workers.worker_of(model.distribute_strategy)
    checkpoints = Checkpoints(folder.checkpoints, model, keep_checkpoints, worker.is_chief)
    done = checkpoints.restore_latest()
    agreement = workers.Agreement(model.distribute_strategy)
    agreement.require_equal(done, "checkpoints")
    if worker.is_chief:
        _require_what_metrics_tell_of(folder, done)
        folder.forget_metrics_after(done)
        if done < train_steps:
            folder.begin_segment(done)
    if done:
        print(f"resuming after step {done} of {train_steps}")
    keeper = Keeper(folder, checkpoints, done, train_steps, checkpoint_every, monitors, agreement)
    keeper.save_every = 60 * save_every_minutes
    board = Board(folder.tensorboard, write_graph=False)
    epochs = -(-train_steps // checkpoint_every)
    line = ProgressLine(epochs)
    callbacks = [*monitors, keeper, board, line] if worker.is_chief else [keeper]
    for callback in callbacks:
        callback.set_model(model)
    interruption = StopOnInterrupt(keeper.stop, lambda: keeper.step > done)
    with interruption, checkpoints, contextlib.closing(line):
        keeper.finish_interval()
        while keeper.step < train_steps and not keeper.interrupted:
            start = keeper.step
            stop, count = _next_segment(start, train_steps, checkpoint_every)
            first = start // checkpoint_every
            shape = {"epochs": min(first + count, epochs), "steps": (stop - start) // count}
            try:
                model.fit(
                    workers.divided(make_dataset(start, stop), model.distribute_strategy),
                    initial_epoch=first,
                    epochs=shape["epochs"],
                    steps_per_epoch=shape["steps"],
                    shuffle=False,  # the pipeline has shuffled
                    callbacks=SeldomLogs(callbacks, model=model, verbose="auto", **shape),
                )
            except tf.errors.InvalidArgumentError as error:
                raise _as_run_error(error, keeper.step) from error
            if averages(model.optimizer) and keeper.step < train_steps:
                # Keras ends every `fit` on the averages. Another worker may not see the last
                # checkpoint yet.
                with model.distribute_strategy.scope():
                    give_back(model.optimizer, keeper.own_weights)
    keeper.hear()
    if keeper.step >= train_steps:
        take_averages(model.optimizer)
    seconds = sum(line["seconds"] for line in folder.read_metrics())
    if not keeper.interrupted:
        print(f"{keeper.step:,} updates in {datetime.timedelta(seconds=round(seconds))} h:min:s")
    return keeper.step, keeper.interrupted


def _require_what_metrics_tell_of(folder, done):
    """A run of days, started again by a cluster, must not begin anew without a word."""
    if not done and (lines := folder.read_metrics()):
        raise UserError(
            f"{folder.checkpoints} has no checkpoint of the {lines[-1]['step']:,} updates in "
            "metrics.jsonl; restore it, or remove that file to begin the training anew"
        )


def _next_segment(start, total, interval):
    """Returns (stop, epochs) of the longest stretch of equal epochs from `start` on."""
    if start % interval:  # after Ctrl-C: first up to the next boundary
        return min(total, -(-start // interval) * interval), 1
    whole = (total - start) // interval
    return (start + whole * interval, whole) if whole else (total, 1)


class Board(keras.callbacks.TensorBoard):
    """Writes the means of an interval, and does nothing after a batch.

    Keras asks TensorFlow to write every value of every batch, which then writes none of them. This
    takes time, and memory that is never freed: 2 KiB a step.
    """

    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass


class _CheckStopped(BaseException):
    """A signal ends what monitors do at the end of an interval; no `except Exception` takes it."""


class Keeper(Monitor):
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
        due = self.checkpoints.due(self.step)
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
        due = self._agree()
        self.model.stop_training = bool(self.interrupted)
        # A checkpoint inside an interval waits for the losses up to it.
        self.wants_logs = due and bool(self.step % self.checkpoint_every)

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

    def _agree(self):
        """Takes a signal to any worker; returns whether the chief's minutes are over."""
        due = self.checkpoints.writes and time.monotonic() - self._saved > self.save_every
        *came, due = self.agreement.now_and_then(self.step, [*self._signals(), due])
        self._take(came)
        return bool(due)

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
        if not self.checkpoints.writes or self._came or self.interrupted:
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


def _as_run_error(error, step):
    """Makes one line of a failed assertion inside the compiled step."""
    if not is_assertion(error):
        raise error
    message = (
        str(error)
        .split("assertion failed: ", 1)[1]
        .splitlines()[0]
        .replace("[", "")
        .replace("]", "")
    )
    return RunError(f"step {step + 1}: {message}")
