"""One trace for all calls of one shape; no warning of retracing from many functions of a line."""

import logging

import pytest
import tensorflow as tf

from robust_tf.evaluation.traced_once import traced_once


@pytest.fixture
def said():
    """What TensorFlow logs."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = tf.get_logger()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def evaluate_twelve_attacks(compiled):
    """As an evaluation does: in one line a function for each attack, called for two batches."""
    for number in range(12):
        attack = compiled(lambda x: x + number)  # noqa: B023 - traced before the next number
        for _ in range(2):
            assert attack(tf.zeros([2])).numpy().tolist() == [number] * 2


def test_no_warning(said):
    evaluate_twelve_attacks(traced_once)
    assert not said
    evaluate_twelve_attacks(tf.function)
    assert any("retracing" in line for line in said), "TensorFlow has stopped warning"


@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_trace_a_shape(jit_compile):
    traced = []

    def double(x, y):
        traced.append(x.shape)
        return 2 * x + y

    compiled = traced_once(double, jit_compile=jit_compile)
    for rows in (2, 2, 3, 2):
        assert compiled(tf.ones([rows]), [1.0] * rows).numpy().tolist() == [3] * rows
    assert traced == [[2], [3]]
