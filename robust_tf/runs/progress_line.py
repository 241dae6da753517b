"""Keras's progress bar, for a run that is trained in several calls of fit, within 80 columns."""

import contextlib
import io
import re
import sys
import time

import keras

from robust_tf.progress_bar import IN_A_LOG, is_watched
from robust_tf.runs import speed

BAR_WIDTH = 5
# What is left of 80 columns beside the step, the bar and the time: 1000/1000 ===== 59s 99ms/step.
COLUMNS = 49
MEASURED = "accuracy"  # in the names of what has a second line where it does not fit
# Of a number as Keras writes it: 0.0000e+00.
NUMBER = 10
COMPILING = "compiling the train step and the attack in it ..."
COLOUR = re.compile(r"\x1b\[\d+m")


class ProgressLine(keras.callbacks.ProgbarLogger):
    """Counts the epochs of the whole run, and after Ctrl-C only the steps that were made.

    The loss and the accuracies come first. Accuracies that do not fit have a line after the
    interval, and so has its speed; everything else is in metrics.jsonl and TensorBoard.
    The first step of a run waits for the compiler. It has a line of its own and no estimate.
    In a log every line is ended at once: a warning that follows has a line of its own, too.

    Args:
        epochs: Number of epochs of the whole run.
    """

    def __init__(self, epochs):
        super().__init__()
        self._all_epochs = epochs
        self._began = None  # time of the first step of this process
        self._line_is_open = False
        self._watched = is_watched(sys.stdout)

    def close(self):
        """Ends a line that an error has cut off, so that the error has a line of its own."""
        if self._line_is_open:
            print(flush=True)

    def set_params(self, params):
        super().set_params({**params, "epochs": self._all_epochs})

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.progbar.width = BAR_WIDTH
        if not self._watched:
            # Keras writes twenty times a second, one over the other, into a file, too.
            self.progbar.interval, self.progbar._dynamic_display = IN_A_LOG, False
            self.progbar.update = _as_lines(self.progbar.update)

    def on_train_batch_begin(self, batch, logs=None):
        self._line_is_open = self._watched
        if self._began is None:
            self._began = time.perf_counter()
            print(COMPILING, end="" if self._watched else "\n", flush=True)

    def on_train_batch_end(self, batch, logs=None):
        if self._began:  # Keras takes its time out of the estimates that follow
            seconds = f"{time.perf_counter() - self._began:.0f} s"
            print(f" {seconds}" if self._watched else f"compiled in {seconds}", flush=True)
            self.progbar.verbose, self._began = 0, False
        super().on_train_batch_end(batch, fitting(logs))
        self.progbar.verbose = self.verbose

    def on_epoch_end(self, epoch, logs=None):
        self.target, shown = min(self.target, self.seen), fitting(logs)
        super().on_epoch_end(epoch, shown)
        self._line_is_open = False
        rest = [f"{n} {logs[n]:.4f}" for n in logs if n not in shown and MEASURED in n]
        lines = [", ".join(rest), speed.in_words(logs)]
        for line in filter(None, lines):
            print(f"  {line}", flush=True)


def _as_lines(update):
    """Wraps a method that prints: Keras colours its bar, and leaves its line open, in a log too."""

    def plain(*arguments, **options):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            update(*arguments, **options)
        if line := COLOUR.sub("", printed.getvalue()).strip():
            print(line, flush=True)

    return plain


def fitting(logs):
    """Returns the entries of `logs` that fit, dict name -> float: loss, accuracies, then others."""
    order = sorted(logs, key=lambda name: (name != "loss", "accuracy" not in name))
    chosen, used = {}, 0
    for name in order:
        used += len(f" - {name}: ") + NUMBER
        if used > COLUMNS:
            break
        chosen[name] = logs[name]
    return chosen
