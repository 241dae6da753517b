"""What the tests of single updates share."""

import keras
import pytest


@pytest.fixture
def float64():
    """Every network of the test computes in float64."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)
