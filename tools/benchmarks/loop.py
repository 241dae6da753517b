"""A step of tla_tf.train, with its input, logs and metrics, against the bare compiled step.

Host round trips too, and TFLOP/s with their share of what the device reaches in a convolution.
Images are random where no --data_dir is given. Other flags: tla_tf.train --help.
"""

import contextlib
import io
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from benchmarks import device_rate, recipe, rounds
from robust_tf.runs import fitting
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.speed import Speed
from robust_tf.training.passes import forward_flop
from robust_tf.training.strategy import use_xla


def run(options):
    """Measures and prints."""
    training = recipe.training_run(options)
    examples, cost = recipe.examples(training, options), training.passes()
    xla = use_xla(options.jit_compile)
    model = recipe.model_of(training)
    model.compile(optimizer=training.settings.make_optimizer(), jit_compile=xla)
    print(
        f"{options.method}, {recipe.title(options)}, "
        f"{options.precision}, XLA {'on' if xla else 'off'}; {rounds.conditions(options.rounds)}"
    )
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(model, training, examples, options.updates, Unnamed(folder))
        calls = {"bare step": _bare(training, examples, options.updates, xla), "loop": loop}
        # XLA takes long for a program that its cache has not.
        first = rounds.measure(calls, 1, warmups=0)
        rows = _measured(calls, options.rounds)
    bare, fit = rows["bare step"], rows["loop"]
    print(
        "first round, with all compilation: " + ", ".join(f"{n} {first[n][0]:.1f} s" for n in first)
    )
    rounds.show_times(rows)
    rounds.show_ratios([("bare step / loop", bare / fit, ">= 0.9")])
    print(
        f"\n{loop.fetches / options.updates:.1f} host round trips a step; waiting for input "
        f"{100 * np.median(loop.waits):.1f} % of the time"
    )
    flop = cost.forwards * forward_flop(model.network) * options.batch_size
    print(device_rate.line(flop, np.median(fit), options.precision, xla))


class Unnamed(RunFolder):
    """The folder of no run: it has no flags, whose segments could be kept."""

    def begin_segment(self, step):
        del step


class Loop:
    """Trains interval after interval, as `tla_tf.train` does."""

    def __init__(self, model, training, examples, updates, folder):
        self._model, self._folder, self._updates = model, folder, updates
        self._training, self._examples = training, examples
        self._size = training.settings.batch_size
        self._speed = Speed(self._size, training.passes().attack_share)
        self._done = self.fetches = 0
        self.waits = []

    def __call__(self):
        """Makes an interval; returns the seconds of an update."""
        fetch = ops._EagerTensorBase._numpy
        self.fetches = 0

        def counted(tensor):
            self.fetches += 1
            return fetch(tensor)

        self._done += self._updates
        counting = mock.patch.object(ops._EagerTensorBase, "_numpy", counted)
        with counting, contextlib.redirect_stdout(io.StringIO()):
            fitting.train(
                self._model,
                self._batches,
                self._folder,
                train_steps=self._done,
                checkpoint_every=self._updates,
                monitors=[self._speed],
            )
        logs = self._folder.read_metrics()[-1]
        self.waits.append(logs["input_wait"])
        return self._size / logs["images_per_second"]

    def _batches(self, start, stop):
        return self._speed.watched(self._training.batches(self._examples, start, stop))


def _bare(training, examples, updates, xla):
    """The function that makes as many updates on one batch; returns the seconds of an update."""
    batch = next(recipe.batches(training, examples))
    other = recipe.model_of(training)
    other.compile(optimizer=training.settings.make_optimizer())
    step = tf.function(other.train_step, jit_compile=xla, autograph=False)

    def several():
        for _ in range(updates):
            logs = step(batch)
        return float(logs["loss"])

    return lambda: rounds.measure({"": several}, 1, warmups=0)[""][0] / updates


def _measured(calls, count):
    """dict of the seconds of an update, float [count] each; in turn."""
    found = [{name: call() for name, call in calls.items()} for _ in range(count)]
    return {name: np.array([one[name] for one in found]) for name in calls}
