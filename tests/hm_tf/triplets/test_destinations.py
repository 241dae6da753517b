"""The destination functions, and what is refused as one."""

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.triplets import destinations
from robust_tf.errors import UserError

LOSSES = [2.0, 0.2, 0.15, 0.10, 0.05, 0.02, 0.0]
LEVELS = [1.0, 1.0, 0.75, 0.5, 0.25, 0.1, 0.0]
TABLE = {
    "lga": [-0.2, -0.2, -0.15, -0.1, -0.05, -0.02, 0.0],
    "g2": [-0.2, -0.2, -0.1125, -0.05, -0.0125, -0.002, 0.0],
    "ghalf": [-0.2, -0.2, -0.173205, -0.141421, -0.1, -0.063246, 0.0],
    "gb:semihard": [-0.126, -0.126, -0.101, -0.076, -0.051, -0.036, -0.026],
    "semihard": [-0.126] * 7,
    "-0.1": [-0.1] * 7,
    "2": [2.0] * 7,
}
SYMBOLS = {"lga": "gLGA", "g2": "g2", "ghalf": "g1/2", "gb:semihard": "gB(M)", "semihard": "M"}


def halved(level, source_hardness):
    return level * source_hardness / 2


def everything_nan(level, source_hardness):
    return float("nan")


def nan_at_zero(level, source_hardness):
    return tf.where(level > 0, 0.0, float("nan"))


def wrong_shape(level, source_hardness):
    return [0.0, 0.0, 0.0]


def broken(level, source_hardness):
    raise RuntimeError("out of ideas")


def other_shape_later(level, source_hardness):
    """Right for what is tried out, five triplets."""
    return tf.zeros([5 if source_hardness.shape[0] == 5 else 7])


def branches(level, source_hardness):
    """A Python `if` on a tensor, which the compiled step does not have."""
    return -0.1 if level[0] > 0.5 else -0.2


def two_lines(level, source_hardness):
    raise RuntimeError("out of ideas\nand of time")


def nan_in_between(level, source_hardness):
    """NaN where the range of its arguments is not tried out before training."""
    return tf.where(tf.abs(source_hardness + 0.1) < 0.09, float("nan"), source_hardness)


no_function = 3


def test_loss_level():
    losses = tf.constant(LOSSES, tf.float64)
    np.testing.assert_allclose(destinations.loss_level(losses, 0.2), LEVELS)
    wide = -0.2 * destinations.loss_level(losses, 2.2)
    expected = [-0.181818, -0.018182, -0.013636, -0.009091, -0.004545, -0.001818, 0]
    np.testing.assert_allclose(wide, expected, atol=2e-6)
    assert destinations.loss_level(tf.constant(-1.0), 0.2) == 0.0


@pytest.mark.parametrize("name", TABLE)
def test_values(name):
    destination = destinations.get(name)
    levels, source = tf.constant(LEVELS, tf.float64), tf.zeros(7, tf.float64)
    benign = tf.fill([7], tf.constant(-0.126, tf.float64)) if destination.sampler else None
    np.testing.assert_allclose(destination(levels, source, benign), TABLE[name], atol=2e-6)
    assert destination.symbol == SYMBOLS.get(name, name)
    assert (destination.sampler == "semihard") == name.endswith("semihard")
    assert destination.gradual == (name in ("lga", "g2", "ghalf", "gb:semihard"))


def test_margin_and_rise_count():
    level, source = tf.constant([0.5]), tf.constant([0.0])
    assert destinations.get("lga", margin=0.4)(level, source).numpy() == pytest.approx([-0.2])
    raised = destinations.get("gb:random", rise=0.3)(level, source, tf.constant([-0.1]))
    assert raised.numpy() == pytest.approx([0.05])


def test_function_of_the_user():
    destination = destinations.get(f"{__name__}.halved")
    assert destination[:2] == ("halved", None) and destination.gradual
    found = destination(tf.constant([1.0, 0.5]), tf.constant([-0.2, -0.4]))
    np.testing.assert_allclose(found, [-0.1, -0.1])


@pytest.mark.parametrize(
    "name, message",
    [
        ("gb:easy", "unknown destination"),
        ("largest", "unknown destination"),
        ("3", "between -2 and 2"),
        ("nan", "between -2 and 2"),
        ("no.such.module", "cannot be imported"),
        (".x", "cannot be imported"),
        (f"{__name__}.missing", "cannot be imported"),
        (f"{__name__}.no_function", "no function"),
        (f"{__name__}.everything_nan", r"value that is not finite \(level 0.0\)"),
        (f"{__name__}.nan_at_zero", r"_at_zero returned a value that is not finite \(level 0.0\)"),
        (f"{__name__}.wrong_shape", r"not \(3,\)"),
        (f"{__name__}.broken", "out of ideas"),
        (f"{__name__}.two_lines", "out of ideas"),
        (f"{__name__}.branches", "branches failed: OperatorNotAllowed.* is not allowed"),
    ],
)
def test_refused(name, message):
    with pytest.raises(UserError, match=message) as caught:
        destinations.get(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [("def half(:", "SyntaxError"), ("1 / 0", "division by zero"), ("raise ValueError", "Value")],
)
def test_a_module_that_does_not_run(text, message, tmp_path, monkeypatch):
    (tmp_path / "module_of_the_user.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=f"cannot be imported: .*{message}") as caught:
        destinations.get("module_of_the_user.half")
    assert "\n" not in str(caught.value)


def test_the_symbol_of_a_function_needs_no_import():
    assert destinations.symbol("no.such.module.halved") == "halved"


def test_nan_during_training_names_the_flag():
    name = f"{__name__}.nan_in_between"
    destination, level = destinations.get(name), tf.constant([0.5])
    np.testing.assert_allclose(destination(level, tf.constant([0.3])), [0.3])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"--destination={name} returned"):
        destination(level, tf.constant([-0.1]))


def test_a_constant_has_the_precision_of_the_triplets():
    source = tf.zeros([3], tf.float64)
    found = destinations.get("-0.1")(tf.constant(0.2, tf.float64), source)
    assert found.dtype == tf.float64 and np.all(found.numpy() == -0.1)
