"""What a training of tla_tf costs beside its steps, as shares of a step.

Checkpoints, which are waited for here, guards against broken numbers, and metrics. --workdir names
the folder of the disk to write to.
Images are random where no --data_dir is given. Other flags: tla_tf.train --help.
"""

import os
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf

from benchmarks import recipe, rounds
from robust_tf.reports.table import markdown
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.training_callback import TrainingCallback
from robust_tf.training.workers import Agreement

METRICS, GUARDS = "metrics of a step", "guards of a step"
CHECKPOINT, UNSYNCED = "checkpoint", "checkpoint without sync"
INTERVAL = "guards and line of an interval"


def run(options):
    """Measures and prints."""
    training = recipe.training_run(options)
    model = recipe.model_of(training)
    model.compile(optimizer=training.settings.make_optimizer())
    batches = recipe.batches(training, recipe.examples(training, options))
    model.make_train_function()
    every = options.checkpoint_every
    print(
        f"{options.method}, {recipe.title(options)}, "
        f"checkpoint every {every:,} steps; {rounds.conditions(options.rounds)}"
    )
    with tempfile.TemporaryDirectory(dir=options.workdir) as folder:
        rows = {"step": lambda: _numbers(model.train_function(batches))}
        rows |= _rows(model, RunFolder(folder), options)
        seconds = rounds.measure(rows, options.rounds)
    rounds.show_times(seconds)
    step = np.median(seconds["step"])
    parts = {
        "metrics": seconds[METRICS] / step,
        "guards": (seconds[GUARDS] + seconds[INTERVAL] / every) / step,
        "checkpoints": seconds[CHECKPOINT] / every / step,
        "of which to be on the disk": (seconds[CHECKPOINT] - seconds[UNSYNCED]) / every / step,
    }
    parts["together"] = parts["metrics"] + parts["guards"] + parts["checkpoints"]
    goals = {"together": "< 3", "of which to be on the disk": "< 1"}
    shown = [
        (name, rounds.quartiles(100 * part), goals.get(name, "")) for name, part in parts.items()
    ]
    print(f"\n{markdown(('share of a step', 'percent, median (quartiles)', 'goal'), shown)}")


def _rows(model, folder, options):
    """What is done beside a step, name -> function."""
    folder.path.joinpath("checkpoints").mkdir()
    checkpoints = Checkpoints(folder.checkpoints, model)
    alone = Agreement(model.distribute_strategy)
    callback = TrainingCallback(folder, checkpoints, 0, 10**9, options.checkpoint_every, [], alone)
    callback.set_model(model)
    logs = {name: 0.5 for name in model.trackers}
    values = {name: tf.ones([options.batch_size]) for name in model.trackers}
    count = iter(range(1, 10**6))

    @tf.function
    def show():
        for name, value in values.items():
            model.trackers[name].update_state(value)
        return {name: model.trackers[name].result() for name in values}

    def end_of_interval():
        callback.require_finite_weights()
        callback.log(logs, 1.0)

    def guard():
        callback.on_train_batch_end(0, logs)
        callback.on_updates([logs])

    def save():
        checkpoints.save(next(count))

        checkpoints.wait()

    def save_unsynced():
        with mock.patch.object(os, "fsync", lambda descriptor: None):
            save()

    return {
        METRICS: lambda: _numbers(show()),
        GUARDS: guard,
        INTERVAL: end_of_interval,
        CHECKPOINT: save,
        UNSYNCED: save_unsynced,
    }


def _numbers(logs):
    """Waits for the means of a step, as Keras does."""
    return {name: float(value) for name, value in logs.items()}
