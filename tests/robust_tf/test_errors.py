from robust_tf.errors import reason_of


def test_the_reason_is_one_line_and_never_empty():
    assert reason_of(ValueError("\nfirst\nsecond")) == "first"
    assert reason_of(AssertionError()) == "AssertionError"
