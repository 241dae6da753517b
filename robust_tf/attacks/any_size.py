"""One trace of a function for batches of every size."""

from typing import Any

import tensorflow as tf


class AnySize:
    """A `tf.function` of batches, traced once for all sizes; only so a batch may shrink inside.

    Some networks need to know the size of their batch. Their function is traced for each size.

    Args:
        compiled: `tf.function` of tensors [batch, ...].
    """

    def __init__(self, compiled: Any):
        self._compiled, self._takes_any = compiled, True

    def __call__(self, *batch: tf.Tensor) -> Any:
        """Calls the function."""
        return self.get_concrete_function(*batch)(*batch)

    def get_concrete_function(self, *batch: tf.Tensor) -> Any:
        """Returns the trace that takes the batch, as `tf.function` does."""
        if self._takes_any:
            specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in batch]
            try:
                return self._compiled.get_concrete_function(*specs)
            except (TypeError, ValueError):  # what else is wrong shows again below
                self._takes_any = False
        return self._compiled.get_concrete_function(*batch)
