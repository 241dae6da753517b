"""Names of compiled functions that are the same in every process.

XLA's cache on disk knows a program by its function's name, among others (`Signature::Hash` in
tensorflow/compiler/jit). TensorFlow ends that name with a running number that every tensor before
has moved: a resumed training, which reads a checkpoint first, would find none of its programs.
"""

import functools
import os
from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.framework import ops  # there is no public way to these numbers

# More than a process needs before its first training, and than the trace of an attack needs.
TRAINING, ATTACK = 2**22, 2**20


def round_up(stride: int) -> None:
    """Moves TensorFlow's running number to the next multiple, where XLA keeps programs on disk.

    Takes some tenths of a second. Call it where the trace of a function begins. All names inside
    follow then.

    Args:
        stride: int, of which the number becomes a multiple.
    """
    if _kept():
        while ops.uid() % stride:
            pass


def _kept():
    """Whether XLA keeps its programs, of all devices or of a GPU that is here."""
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if "--tf_xla_persistent_cache_device_types=GPU" in flags:
        return bool(tf.config.list_physical_devices("GPU"))
    return "--tf_xla_persistent_cache_directory" in flags


def alike(function: Callable) -> Callable:
    """Returns the function of an attack, whose trace begins at a round number."""

    @functools.wraps(function)
    def traced(*arguments):
        round_up(ATTACK)
        return function(*arguments)

    return traced
