"""What looks at a network while it trains, at steps that do not depend on interruptions."""

import keras


class Monitor(keras.callbacks.Callback):
    """A Keras callback of `fitting.train` with a hook of its own.

    A resumed run is to end like one that was never stopped, so what is measured, selected or warned
    of at the end of an interval must not be at a step at which Ctrl-C happened to come. Keras calls
    `on_epoch_end` there, too.
    """

    def on_interval_resumed(self, updates, means):
        """Called before an interval goes on in which Ctrl-C had come.

        Args:
            updates: int, how many of it were made.
            means: dict name -> float, the logs up to there; those to come go on from them.
        """

    def on_interval_end(self, logs):
        """Called at every multiple of the checkpoint interval and after the last update.

        Args:
            logs: dict name -> float, of the interval; what is added is written to metrics.jsonl.
        """
