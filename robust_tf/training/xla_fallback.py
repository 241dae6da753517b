"""XLA where it compiles, the plain graph where XLA refuses."""

import warnings

import tensorflow as tf

# What XLA raises for operations that it cannot compile, on this device or deterministically, and
# for a compiler that is not whole. What has another reason comes again without XLA.
REFUSALS = (
    tf.errors.UnimplementedError,
    tf.errors.InvalidArgumentError,
    tf.errors.InternalError,
)


class XlaOrGraph:
    """A function of tensors, compiled: one trace for each shape; by XLA, until XLA refuses.

    TensorFlow counts the traces of a `tf.function` by source line. It would warn of an evaluation
    that traces each of its attacks there. Concrete functions are not counted.

    Args:
        make: function (jit_compile) -> `tf.function`.
        xla: Whether XLA compiles the function.
        title: Name of the function in the warning.
    """

    def __init__(self, make, xla, title):
        self._make, self._title = make, title
        self._compiled, self._xla = make(xla), xla

    def __call__(self, *batch):
        batch = [tf.convert_to_tensor(tensor) for tensor in batch]
        while True:
            try:
                return self._compiled.get_concrete_function(*batch)(*batch)
            except REFUSALS as error:
                if not self._xla:
                    raise
                warn_of_refusal(self._title, error)
                self._compiled, self._xla = self._make(False), False


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
