"""XLA where it compiles, the plain graph where XLA refuses."""

import warnings

import tensorflow as tf

from robust_tf.training.workers import on_several

# What XLA raises for operations that it cannot compile, on this device or deterministically, and
# for a compiler that is not whole. What has another reason comes again without XLA.
REFUSALS = (
    tf.errors.UnimplementedError,
    tf.errors.InvalidArgumentError,
    tf.errors.InternalError,
)


class XlaOrGraph:
    """A function of tensors, compiled: one trace for each shape; by XLA, until XLA refuses.

    In the scope of a strategy with several devices each of them gets an equal part of the batch,
    see `on_every_device`. A batch that they do not divide stays on the first.

    TensorFlow counts the traces of a `tf.function` by source line. It would warn of an evaluation
    that traces each of its attacks there. Concrete functions are not counted.

    Args:
        make: function (jit_compile) -> `tf.function`.
        xla: Whether XLA compiles the function.
        title: Name of the function in the warning.
    """

    def __init__(self, make, xla, title):
        self._make, self._title, self._xla = make, title, xla
        self._compiled = {}  # number of devices -> function

    def __call__(self, *batch):
        batch = [tf.convert_to_tensor(tensor) for tensor in batch]
        devices = device_count()
        devices = 1 if batch[0].shape[0] % devices else devices
        while True:
            try:
                return self._on(devices).get_concrete_function(*batch)(*batch)
            except REFUSALS as error:
                if not self._xla:
                    raise
                warn_of_refusal(self._title, error)
                self._compiled, self._xla = {}, False

    def _on(self, devices):
        if devices not in self._compiled:
            compiled = self._make(self._xla)
            self._compiled[devices] = compiled if devices == 1 else on_every_device(compiled)
        return self._compiled[devices]


def device_count():
    """Returns over how many devices of this process the current strategy divides a batch."""
    strategy = tf.distribute.get_strategy()
    return 1 if on_several(strategy) else strategy.num_replicas_in_sync


def on_every_device(function):
    """Returns the `tf.function` that divides a batch over the devices of the current strategy.

    Args:
        function: tensors [b, ...] -> tensor [b, ...] or a structure of such. Variables that were
            made in the scope of the strategy, a network's weights, lie on each device.
    """
    strategy = tf.distribute.get_strategy()
    count = strategy.num_replicas_in_sync

    def divided(*batch):
        parts = [tf.split(tensor, count) for tensor in batch]
        shares = [
            strategy.experimental_distribute_values_from_function(
                lambda context, part=part: part[context.replica_id_in_sync_group]
            )
            for part in parts
        ]
        found = strategy.run(function, shares)
        return tf.nest.map_structure(
            lambda value: tf.concat(strategy.experimental_local_results(value), axis=0), found
        )

    return tf.function(divided, autograph=False)


def is_assertion(error):
    """Whether the error is a failed `tf.debugging.Assert`, and no refusal."""
    return "assertion failed: " in str(error)


def warn_of_refusal(title, error):
    """Warns that a function goes on without XLA.

    Args:
        title: name of the function.
        error: the exception that XLA raised.
    """
    reason = str(error).strip().splitlines()[0][:200]
    warnings.warn(f"{title} goes on without XLA, which refuses: {reason}", stacklevel=3)
