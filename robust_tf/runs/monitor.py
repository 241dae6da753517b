"""What looks at a network while it trains, at steps that do not depend on interruptions."""

import keras


class Monitor(keras.callbacks.Callback):
    """A Keras callback of `fitting.train` with a hook of its own.

    A monitor measures, selects or warns at the end of an interval. A resumed run must end like one
    that was never stopped, so Ctrl-C ends no interval. Keras calls `on_epoch_end` there, too.

    Attributes:
        checkpoints: `Checkpoints` of the training, given before its first update.
        wants_logs: whether `on_updates` is to follow the update that has just ended.
    """

    checkpoints = None
    wants_logs = False

    def on_updates(self, logs):
        """Called every quarter of a second, after every longer update, and where `wants_logs`.

        Args:
            logs: list of dicts name -> float, one for each update since the last call: the means
                of the interval up to this update.
        """

    def on_interval_resumed(self, updates, means):
        """Called before a resumed run goes on in the middle of an interval, as after Ctrl-C.

        Args:
            updates: int, how many updates of the interval were made before.
            means: dict name -> float, the logs up to there; the following logs go on from them.
        """

    def on_interval_end(self, logs):
        """Called at every multiple of the checkpoint interval and after the last update.

        The checkpoint of this update is written before. A signal ends the call anywhere, and the
        next process calls again, before its first update.

        Args:
            logs: Means of the interval, dict name -> float; added entries go to metrics.jsonl.
        """
