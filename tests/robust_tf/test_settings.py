import dataclasses

import numpy as np
import pytest

from robust_tf.errors import require_known, whole_number
from robust_tf.settings import check_fields, number, switch, value_range


@dataclasses.dataclass(frozen=True)
class Settings:
    count: int = 1
    size: float = 0.5
    on: bool = True
    name: str = "a"

    def __post_init__(self):
        check_fields(self)


@dataclasses.dataclass(frozen=True)
class Annotated(Settings):
    """As after `from __future__ import annotations`."""

    count: "int" = 1
    size: "float" = 0.5
    on: "bool" = True


@pytest.mark.parametrize("kind", [Settings, Annotated])
def test_numbers_of_numpy_become_python_s(kind):
    found = kind(np.int64(3), np.float32(0.25), np.bool_(False), 7)
    assert repr(found) == f"{kind.__name__}(count=3, size=0.25, on=False, name=7)"
    assert repr(kind(size=2)) == f"{kind.__name__}(count=1, size=2, on=True, name='a')"


@pytest.mark.parametrize("kind", [Settings, Annotated])
@pytest.mark.parametrize(
    "name, value, said",
    [
        ("count", True, "must be a whole number >= 1, got True"),
        ("count", 0, "must be a whole number >= 1, got 0"),
        ("size", "0.5", "must be a number, got '0.5'"),
        ("size", True, "must be a number, got True"),
        ("size", None, "must be a number, got None"),
        ("on", "no", "must be True or False, got 'no'"),
        ("on", 0, "must be True or False, got 0"),
        ("on", None, "must be True or False, got None"),
    ],
)
def test_a_value_of_another_kind_is_refused(kind, name, value, said):
    with pytest.raises(ValueError, match=f"^{kind.__name__}: {name} {said}$"):
        kind(**{name: value})


@dataclasses.dataclass(frozen=True)
class Open(Settings):
    count: int = None
    size: float = None
    on: bool = None


def test_a_setting_may_be_left_open_where_its_default_is_none():
    assert Open() == Open(None, None, None)
    assert repr(Open(3, np.float32(0.5), np.True_)) == "Open(count=3, size=0.5, on=True, name='a')"
    for name, value in {"count": 0, "size": "1", "on": "no"}.items():
        with pytest.raises(ValueError, match=f"^Open: {name} must be "):
            Open(**{name: value})


def test_a_number_lies_in_its_range():
    assert number("w", 3) == 3 and type(number("w", np.float32(0.5))) is float
    assert number("w", -1, -1.0, 1.0) == -1
    for value in -1, float("nan"), float("inf"), "1", True, None, np.ones(2):
        with pytest.raises(ValueError, match="^w must be a non-negative number, got "):
            number("w", value)
    with pytest.raises(ValueError, match=r"^w must be a number in \[0, 1\], got 2$"):
        number("w", 2, highest=1.0)


def test_a_count_and_a_seed_are_no_truth_values():
    """`queries=True` attacked one image, not all."""
    for value in True, False, np.True_:
        with pytest.raises(ValueError, match=f"^queries must be a whole number, got {value!r}$"):
            whole_number("queries", value)


def test_a_switch_is_not_a_text():
    assert switch("on", np.True_) is True and switch("on", False) is False
    with pytest.raises(ValueError, match="^on must be True or False, got 'False'$"):
        switch("on", "False")


@pytest.mark.parametrize("given", [(1, 0), 1, (0, 1, 2), ("0", "1"), "01", (0, np.inf), None])
def test_a_range_is_two_numbers_the_lower_one_first(given):
    assert value_range("input_range", np.array([0, 255])) == (0, 255)
    with pytest.raises(ValueError, match=r"^input_range is \(low, high\), low first; got "):
        value_range("input_range", given)


def test_a_list_is_no_name():
    with pytest.raises(ValueError, match=r"unknown loss \['ce'\].*; choose from ce, margin"):
        require_known("loss", ["ce"], {"ce": 1, "margin": 2})
