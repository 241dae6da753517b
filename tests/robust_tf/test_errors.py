import re

import pytest
import tensorflow as tf

from robust_tf.errors import reason_of, with_closest


def test_the_reason_is_one_line_and_never_empty():
    assert reason_of(ValueError("\nfirst\nsecond")) == "first"
    assert reason_of(AssertionError()) == "AssertionError"


def test_the_reason_of_an_operation_is_without_its_names(tmp_path):
    (file := tmp_path / "file").write_bytes(b"")
    with pytest.raises(tf.errors.OpError) as caught:
        tf.raw_ops.WriteFile(filename=str(file / "below"), contents="text")
    assert "{{function_node" in str(caught.value) and "[Op:" in str(caught.value)
    assert re.fullmatch(r"\S+; Not a directory", reason_of(caught.value))


def test_the_reason_of_a_graph_comes_after_its_code():
    @tf.function
    def of_a_graph(x):
        return tf.linalg.inv(x)

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        of_a_graph(tf.zeros([1, 1]))
    assert reason_of(caught.value) == "Input is not invertible."
    lost = "Graph execution error:\n\nDetected at node C defined at (most recent call last):\n"
    assert (
        reason_of(ValueError(f"{lost}<stack traces unavailable>\nSocket closed")) == "Socket closed"
    )


def test_an_unknown_name_stands_beside_the_closest_one():
    assert with_closest("qa", ["CA+", "QA+"]) == "'qa' (did you mean 'QA+'?)"
    assert with_closest("nosuch", ["CA+", "QA+"]) == "'nosuch'"
