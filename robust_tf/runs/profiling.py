"""A profile of some updates, for TensorBoard."""

import keras
import tensorflow as tf

from robust_tf.runs.monitor import Monitor


class Profile(Monitor):
    """Records what the devices do from update `first` to update `last`, both included.

    Args:
        folder: path; TensorBoard's tab "Profile" reads it, with its plugin.
        first, last: int, numbers of updates in the whole run; the first update is 1.
    """

    def __init__(self, folder, first, last):
        super().__init__()
        self._folder, self._first, self._last = str(folder), first, last
        self._running = False

    def on_train_begin(self, logs=None):
        self._step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    def on_train_batch_begin(self, batch, logs=None):
        self._step += 1
        if self._first <= self._step <= self._last and not self._running:
            tf.profiler.experimental.start(self._folder)
            self._running = True

    def on_train_batch_end(self, batch, logs=None):
        if self._step >= self._last:
            self._end()

    def on_train_end(self, logs=None):
        self._end()  # where a signal has ended training before

    def _end(self):
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
            print(f"\nprofile up to step {self._step}: {self._folder}")
