"""How fast an interval of training was, and what it needed."""

import time

import tensorflow as tf

from robust_tf.runs.monitor import Monitor

NAMES = ("images_per_second", "input_wait", "attack_share", "peak_memory_gib")


class Speed(Monitor):
    """Adds `NAMES` to the logs of an interval.

    images_per_second; input_wait, the share of the time; attack_share; and, on GPUs,
    peak_memory_gib of the device that needed most. The first update of a process, which is
    compiled, does not count.

    Args:
        batch_size: images of an update, over all replicas.
        attack_share: the inner attack's part of the FLOP of an update, see `Passes`.
    """

    def __init__(self, batch_size, attack_share):
        super().__init__()
        self._batch_size, self._attack_share = batch_size, attack_share
        self._waits = _Waits()
        self._compiled = False
        self._updates = 0

    def watched(self, dataset):
        """Returns the same batches; how long each is waited for is added up.

        Where a thread fetches batches ahead, the waits are that thread's.

        Args:
            dataset: tf.data.Dataset.
        """

        def called(method):
            # One stateful op would make TensorFlow run the whole input of a deterministic training
            # without threads: no parallel map, no prefetch.
            return tf.data.Dataset.counter().map(
                lambda number: tf.numpy_function(method, [number], tf.int64, stateful=False)
            )

        # A zip asks its parts one after the other.
        parts = called(self._waits.ask), dataset, called(self._waits.receive)
        options = tf.data.Options()
        # Neither the two calls nor the question for the next batch may run ahead.
        options.experimental_optimization.map_parallelization = False
        options.experimental_optimization.inject_prefetch = False
        only = tf.data.Dataset.zip(parts).map(lambda asked, batch, received: batch)
        return only.with_options(options)

    def on_epoch_begin(self, epoch, logs=None):
        self._restart()
        for gpu in _gpus():
            tf.config.experimental.reset_memory_stats(gpu)

    def on_train_batch_end(self, batch, logs=None):
        if self._compiled:
            self._updates += 1
        else:
            self._compiled = True
            self._restart()

    def on_epoch_end(self, epoch, logs=None):
        self._seconds = time.perf_counter() - self._began

    def on_interval_end(self, logs):
        logs["attack_share"] = self._attack_share
        if self._updates:
            logs["images_per_second"] = self._updates * self._batch_size / self._seconds
            logs["input_wait"] = min(self._waits.seconds / self._seconds, 1.0)
        if peaks := [tf.config.experimental.get_memory_info(gpu)["peak"] for gpu in _gpus()]:
            logs["peak_memory_gib"] = max(peaks) / 2**30

    def _restart(self):
        self._updates, self._began = 0, time.perf_counter()
        self._waits.seconds = 0.0


class _Waits:
    """How long batches were waited for.

    TensorFlow never forgets the Python functions of a dataset: they know no model.
    """

    def __init__(self):
        self.seconds, self._asked = 0.0, 0.0  # the second is the time of the last question

    def ask(self, number):
        self._asked = time.perf_counter()
        return number

    def receive(self, number):
        self.seconds += time.perf_counter() - self._asked
        return number


def in_words(logs):
    """Returns the measured entries of `logs` in a line, "" without any."""
    if "images_per_second" not in logs:
        return ""
    parts = [
        f"{logs['images_per_second']:.4g} images/s",
        f"{100 * logs['input_wait']:.0f} % of the time waiting for input",
        f"inner attack {100 * logs['attack_share']:.0f} % of the FLOP",
    ]
    if "peak_memory_gib" in logs:
        parts.append(f"peak memory {logs['peak_memory_gib']:.3g} GiB")
    return ", ".join(parts)


def _gpus():
    return [f"GPU:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]
