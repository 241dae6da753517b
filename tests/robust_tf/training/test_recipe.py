"""Precedence: recipe of the dataset < flagfiles < explicit flags, whatever the order typed."""

import numpy as np
import pytest

from robust_tf.errors import UserError
from robust_tf.training import recipe


@pytest.fixture
def store(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    (folder / "tla").mkdir(parents=True)
    (folder / "tla" / "digits.flags").write_text("# recipe\n--lr=0.1  # [paper]\n--batch=7\n")
    (folder / "tla" / "quick.flags").write_text("--lr=0.2\n")
    monkeypatch.setattr(recipe, "store", lambda: folder)
    return folder


def combine(*arguments):
    return recipe.combine(list(arguments), lambda given: "digits", "tla")


def test_explicit_flags_win_wherever_they_stand(store):
    expected = ["--lr=0.1", "--batch=7", "--lr=0.2", "--lr=0.3"]
    assert combine("--lr=0.3", "--flagfile=tla/quick.flags") == expected
    assert combine("--flagfile", "tla/quick.flags", "--lr=0.3") == expected


def test_recipes_are_found_from_any_folder(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert combine("--flagfile=flags/tla/quick.flags") == ["--lr=0.1", "--batch=7", "--lr=0.2"]


@pytest.mark.parametrize("given", [-1, float("nan"), float("inf"), "x"])
def test_a_number_of_a_defense_is_what_its_flag_takes(given):
    """`HardnessManipulation(network, ics=-1)` trained, and a text ended in a TypeError."""
    values = recipe.Recipe("hm", "digits")
    assert values.number("ics") == 0.5 and values.number("ics", np.float32(0)) == 0
    with pytest.raises(ValueError, match=f"ics must be a non-negative number, got {given!r}"):
        values.number("ics", given)


def test_nested_flagfiles_are_found_beside_the_file_that_names_them(store, tmp_path):
    (tmp_path / "inner.flags").write_text("--batch=9\n")
    (tmp_path / "outer.flags").write_text("--lr=1\n--flagfile=inner.flags\n")
    assert combine(f"--flagfile={tmp_path}/outer.flags")[2:] == ["--lr=1", "--batch=9"]


def test_the_dataset_of_a_flagfile_chooses_the_recipe(store, tmp_path):
    (tmp_path / "mine.flags").write_text("--dataset=digits\n")
    seen = []

    def read_dataset(arguments):
        seen.append(arguments)
        return "digits"

    recipe.combine([f"--flagfile={tmp_path}/mine.flags", "--x=1"], read_dataset, "tla")
    assert seen == [["--dataset=digits", "--x=1"]]


NO_USER = "~no-such-user/mine.flags"  # has no home


@pytest.mark.parametrize(
    "arguments", [["--flagfile=nowhere.flags"], ["--flagfile"], [f"--flagfile={NO_USER}"]]
)
def test_missing_flagfile(store, arguments):
    with pytest.raises(UserError, match="flagfile"):
        combine(*arguments)


def test_a_flagfile_that_includes_itself(store, tmp_path):
    (tmp_path / "loop.flags").write_text("--flagfile=loop.flags\n")
    with pytest.raises(UserError, match="includes itself"):
        combine(f"--flagfile={tmp_path}/loop.flags")


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_flagfiles_of_other_editors(start, end, store, tmp_path):
    lines = ["--lr=1", "# ε", "", "--data_dir='my photos/é'", ""]
    (tmp_path / "mine.flags").write_bytes((start + end.join(lines)).encode())
    found = combine(f"--flagfile={tmp_path}/mine.flags")
    assert found[2:] == ["--lr=1", "--data_dir=my photos/é"]


@pytest.mark.parametrize(
    "line, words",
    [
        ("--data_dir=set#1 --x=2 # a comment", ["--data_dir=set#1", "--x=2"]),
        ("""--data_dir='my #1' "--x=a #2"  # of '1#""", ["--data_dir=my #1", "--x=a #2"]),
        ("# the paper's #1", []),
    ],
)
def test_a_comment_begins_behind_a_space(line, words, store, tmp_path):
    (tmp_path / "mine.flags").write_text(f"{line}\n")
    assert combine(f"--flagfile={tmp_path}/mine.flags")[2:] == words


def test_a_flagfile_of_another_encoding_is_one_line(store, tmp_path):
    (tmp_path / "mine.flags").write_bytes(b"--data_dir=caf\xe9\n")
    with pytest.raises(UserError, match="mine.flags cannot be read: .*utf-8") as refused:
        combine(f"--flagfile={tmp_path}/mine.flags")
    assert "\n" not in str(refused.value)
