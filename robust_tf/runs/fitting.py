"""The one way a model is trained: `fit` in intervals, resumable after every one of them."""

import contextlib
import datetime

import keras

from robust_tf.errors import RunError
from robust_tf.results import digest
from robust_tf.results.result import weights_hash
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.runs.interruption import StopOnInterrupt
from robust_tf.runs.progress_line import ProgressLine
from robust_tf.runs.step_logs import StepLogs
from robust_tf.runs.training_callback import TrainingCallback
from robust_tf.training import workers
from robust_tf.training.batch import FailedCheck
from robust_tf.training.weight_averaging import averages, give_back, take_averages


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

    What Keras calls an epoch is here one checkpoint interval. Batches and random draws are
    functions of seed and step, so a run that was killed and started again ends in the same weights.
    Its monitors look at the same steps, so it ends in the same metrics, too. What monitors do at
    the end of an interval may take minutes: the checkpoint is written before, and a signal ends it.

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
        RunError: a loss term is not finite, or a batch is out of range.
    """
    worker = workers.worker_of(model.distribute_strategy)
    checkpoints = Checkpoints(folder.checkpoints, model, keep_checkpoints, worker.is_chief)
    done = checkpoints.restore_latest()
    agreement = workers.Agreement(model.distribute_strategy)
    agreement.require_equal(
        lambda: digest.of_json([done, weights_hash(model.network)]),
        "checkpoints or first weights; --workdir, and what --init_from names, must be on a file "
        "system that all of them see",
    )
    if worker.is_chief:
        folder.forget_metrics_after(done)
        if done < train_steps:
            folder.begin_segment(done)
    if done:
        print(f"resuming after step {done} of {train_steps}")
    callback = TrainingCallback(
        folder, checkpoints, done, train_steps, checkpoint_every, monitors, agreement
    )
    callback.save_every = 60 * save_every_minutes
    board = Board(folder.tensorboard, write_graph=False)
    epochs = -(-train_steps // checkpoint_every)
    line = ProgressLine(epochs)
    callbacks = [*monitors, callback, board, line] if worker.is_chief else [callback]
    for monitor in (*monitors, callback):
        monitor.set_model(model)
        monitor.checkpoints = checkpoints
    interruption = StopOnInterrupt(callback.stop, lambda: callback.step > done)
    with interruption, checkpoints, contextlib.closing(line):
        callback.finish_interval()
        while callback.step < train_steps and not callback.interrupted:
            start = callback.step
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
                    callbacks=StepLogs(callbacks, model=model, verbose="auto", **shape),
                )
            except FailedCheck as error:
                raise RunError(f"step {callback.step + 1}: {error}") from error
            if averages(model.optimizer) and callback.step < train_steps:
                # Keras ends every `fit` on the averages. Another worker may not see the last
                # checkpoint yet.
                with model.distribute_strategy.scope():
                    give_back(model.optimizer, callback.own_weights)
        checkpoints.wait()
        callback.hear()  # the others wait here for the disk of the chief, and still hear signals
    callback.hear()
    if callback.step >= train_steps:
        take_averages(model.optimizer)
    if worker.is_chief and not callback.interrupted:
        seconds = sum(line["seconds"] for line in folder.read_metrics())
        print(f"{callback.step:,} updates in {datetime.timedelta(seconds=round(seconds))} h:min:s")
    return callback.step, callback.interrupted


def _next_segment(start, total, interval):
    """Returns (stop, epochs) of the longest stretch of equal epochs from `start` on."""
    if start % interval:  # after Ctrl-C: first up to the next boundary
        return min(total, -(-start // interval) * interval), 1
    whole = (total - start) // interval
    return (start + whole * interval, whole) if whole else (total, 1)


class Board(keras.callbacks.TensorBoard):
    """Writes the means of an interval, and does nothing after a batch.

    Without this, Keras asks TensorFlow to write every value of every batch, and TensorFlow writes
    none. The calls take time, and memory that is never freed: 2 KiB a step.
    """

    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass
