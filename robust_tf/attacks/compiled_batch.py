"""A function of batches, compiled: by XLA where XLA can, for any batch size, on all devices."""

import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from robust_tf.attacks import program_names
from robust_tf.attacks.packed_loop import shrinking

# XLA raises an error of any kind where it cannot compile an operation, on this device or
# deterministically; where parts of its compiler are missing; and where it cannot keep a program or
# read it again (tensorflow/compiler/jit/device_compiler.h). An error with another cause comes again
# without XLA.
REFUSAL = tf.errors.OpError


class CompiledBatch:
    """A function of tensors, compiled; by XLA, until XLA refuses.

    In the scope of a strategy with several devices each of them gets an equal part of the batch,
    see `on_every_device`. A batch that they do not divide stays on the first.

    TensorFlow counts the traces of a `tf.function` by source line. It would warn of an evaluation
    that traces each of its attacks there. Concrete functions are not counted.

    AutoGraph is off, as in Keras's train_step, where attacks must run too: tracing takes half as
    long.

    Args:
        function: function of tensors [batch, ...], and of the tensors that `prepare` returns.
        jit_compile: whether XLA compiles the function: one trace for each shape.
        any_size: whether a plain graph is traced once for all batch sizes. Only so a batch may
            shrink inside, see `packed_loop`. A network that needs the size of its batch gets a
            trace for each shape.
        title: Name of the function in the warning.
        prepare: function of the same tensors to a tuple of further ones, without XLA; or None.

    Attributes:
        any_size: see above; false once the function has refused it.
    """

    def __init__(
        self,
        function: Callable,
        *,
        jit_compile: bool = False,
        any_size: bool = False,
        title: str = "the attack",
        prepare: Callable | None = None,
    ):
        self._function, self._prepare, self._title = function, prepare, title
        self._xla, self.any_size = jit_compile, any_size
        self._compiled: dict[int, Any] = {}  # number of devices -> function

    def __call__(self, *batch: tf.Tensor) -> Any:
        """Calls the function of tensors [batch, ...]."""
        tensors = [tf.convert_to_tensor(tensor) for tensor in batch]
        devices = device_count()
        devices = 1 if tensors[0].shape[0] % devices else devices
        while True:
            any_size = self.any_size and not self._xla
            specs = tensors
            if any_size:
                specs = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in tensors]
            try:
                return self._on(devices).get_concrete_function(*specs)(*tensors)
            except REFUSAL as error:
                if not self._xla:
                    raise
                warn_of_refusal(self._title, error)
                self._compiled, self._xla = {}, False
            except (TypeError, ValueError):  # what else is wrong shows again
                if not any_size:
                    raise
                self.any_size = False

    def _on(self, devices):
        if devices not in self._compiled:
            compiled = self._compile() if devices == 1 else on_every_device(self._compile)
            self._compiled[devices] = compiled
        return self._compiled[devices]

    def _compile(self):
        named = program_names.alike(self._function)
        function = named if self._xla else shrinking()(self._function)
        compiled = tf.function(function, autograph=False, jit_compile=self._xla)
        if self._prepare is None:
            return compiled
        return tf.function(lambda *batch: compiled(*batch, *self._prepare(*batch)), autograph=False)


def device_count() -> int:
    """Returns over how many devices of this process the current strategy divides a batch."""
    strategy = tf.distribute.get_strategy()
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return 1 if several else strategy.num_replicas_in_sync


def on_every_device(compile: Callable[[], Callable]) -> Any:
    """Returns the `tf.function` that divides a batch over the devices of the current strategy.

    Args:
        compile: returns a function of tensors [b, ...] to a tensor [b, ...] or a structure of such.
            Each device has its own: a program of XLA reads variables of one device. Variables that
            were made in the scope of the strategy, a network's weights, lie on each device.
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
        found = strategy.run(lambda *share: compile()(*share), shares)
        return tf.nest.map_structure(
            lambda value: tf.concat(strategy.experimental_local_results(value), axis=0), found
        )

    return tf.function(divided, autograph=False)


def assertion(error: Exception) -> str | None:
    """Returns what a failed `tf.debugging.Assert` says, in one line; None for any other error."""
    text = str(error)
    if "assertion failed: " in text:  # in a graph, [each part] in brackets
        line = text.split("assertion failed: ", 1)[1].splitlines()[0]
        return " ".join(line.strip("[]").split("] ["))
    if "Summarized data: " in text:  # eagerly, each part on a line, text as bytes
        lines = text.split("Summarized data: ", 1)[1].splitlines()
        return " ".join(line.removeprefix("b").strip("'\"") for line in lines)
    return None


def warn_of_refusal(title: str, error: Exception) -> None:
    """Warns that a function goes on without XLA.

    Args:
        title: name of the function.
        error: the exception that XLA raised.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    # TensorFlow first says where it happened: in headings and places.
    places = ("<", "[[", "File ")
    said = [line for line in lines if line and line[-1] != ":" and not line.startswith(places)]
    reason = (said or [type(error).__name__])[0][:200]
    warnings.warn(f"{title} goes on without XLA, which refuses: {reason}", stacklevel=3)
