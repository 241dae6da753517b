"""TensorFlow without traces: in tests that run a function once or twice they cost the most."""

import contextlib
from unittest import mock

import tensorflow as tf

from robust_tf.attacks.compiled_batch import CompiledBatch


@contextlib.contextmanager
def eagerly():
    """Runs train steps, validation and `CompiledBatch` operation by operation.

    For tests of messages, files, records and counts: a few steps of a small network take less than
    their trace. Each defense, attack, evaluation and command has tests in graph mode beside. So has
    what can differ there: XLA, new traces, replicas, and runs that are equal bit for bit to others.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with mock.patch.object(CompiledBatch, "__call__", _call):
            yield
    finally:
        tf.config.run_functions_eagerly(before)


def _call(compiled, *batch):
    return compiled._compile()(*map(tf.convert_to_tensor, batch))
