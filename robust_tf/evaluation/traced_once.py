"""Functions that are traced once and called many times."""

import functools

import tensorflow as tf


def traced_once(function, *, jit_compile=False):
    """Returns `function` compiled, one trace for all calls with tensors of one shape and dtype.

    A `tf.function` would do the same. But TensorFlow counts traces by source line: an evaluation,
    which makes a function for every attack in the same line, looks to it like one function that
    is traced over and over, and it warns. Concrete functions are not counted.

    Args:
        function: tensors -> tensors.
        jit_compile: whether XLA compiles it.
    """
    # Without AutoGraph, as in Keras's train_step, where attacks must run too: tracing takes half.
    compiled = tf.function(function, autograph=False, jit_compile=jit_compile)

    @functools.cache
    def concrete(*specs):
        return compiled.get_concrete_function(*specs)

    def call(*tensors):
        tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
        return concrete(*(tf.TensorSpec(t.shape, t.dtype) for t in tensors))(*tensors)

    return call
