"""Logs of train steps that stay on the device most of the time."""

import time

import keras
import numpy as np

from robust_tf.runs.monitor import Monitor

# Seconds between two looks at the logs. A step that takes longer is looked at each time.
EVERY = 0.25


class StepLogs(keras.callbacks.CallbackList):
    """Keras's list of callbacks, which fetches the logs of the steps only now and then.

    To fetch a number is to wait until the device has made it. Without waiting, the host prepares
    the next steps meanwhile. Between two looks the callbacks get no logs. A look hands the logs of
    all steps since the last one to the monitors, see `Monitor.on_updates`; a monitor may ask.

    Args:
        callbacks: list of callbacks, among them `Monitor`s.
        settings: what `fit` would give the list: model, epochs, steps, verbose.
    """

    def __init__(self, callbacks, **settings):
        super().__init__(callbacks, add_history=True, **settings)
        self._monitors = [callback for callback in callbacks if isinstance(callback, Monitor)]
        self._unread, self._next_look = [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        self._unread.append(logs)
        look = time.perf_counter() >= self._next_look
        super().on_train_batch_end(batch, logs if look else {})
        if look or any(monitor.wants_logs for monitor in self._monitors):
            self._look()

    def on_epoch_end(self, epoch, logs=None):
        self._look()
        super().on_epoch_end(epoch, logs)

    def _look(self):
        unread = [{name: np.asarray(logs[name]).item() for name in logs} for logs in self._unread]
        for monitor in self._monitors if unread else ():
            monitor.on_updates(unread)
        self._unread, self._next_look = [], time.perf_counter() + EVERY
