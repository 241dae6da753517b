from robust_tf.errors import reason_of, with_closest


def test_the_reason_is_one_line_and_never_empty():
    assert reason_of(ValueError("\nfirst\nsecond")) == "first"
    assert reason_of(AssertionError()) == "AssertionError"


def test_an_unknown_name_stands_beside_the_closest_one():
    assert with_closest("qa", ["CA+", "QA+"]) == "'qa' (did you mean 'QA+'?)"
    assert with_closest("nosuch", ["CA+", "QA+"]) == "'nosuch'"
