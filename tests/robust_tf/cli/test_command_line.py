"""What goes wrong becomes one line and an exit code."""

import errno
import warnings

import pytest
from absl import flags

from robust_tf.cli import command_line
from robust_tf.errors import RunError, UserError


def define(values):
    flags.DEFINE_integer("size", 1, "A size.", lower_bound=1, flag_values=values)


def run(body, *arguments):
    return command_line.run(["command", *arguments], define=define, body=body, about="About.")


def failing(error):
    def body(options):
        raise error

    return body


@pytest.mark.parametrize(
    "error, code, text",
    [
        (UserError("wrong eps"), 2, "error: wrong eps"),
        (RunError("loss not finite"), 1, "error: loss not finite"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: nothing more can be written"),
        (ValueError("save failed: No space left on device"), 1, "nothing more can be written"),
        (OSError(errno.EACCES, "Permission denied", "a/b"), 1, "error: a/b: Permission denied"),
        (OSError(errno.ENOTDIR, "Not a directory", "a/b"), 1, "error: a/b: Not a directory"),
    ],
)
def test_errors_are_one_line(error, code, text, capsys):
    assert run(failing(error)) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and text in lines[0]


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda options: 1 / 0)
    with pytest.raises(OSError, match="Bad file descriptor"):  # of no file of the user
        run(failing(OSError(errno.EBADF, "Bad file descriptor")))


@pytest.mark.parametrize(
    "argument, text", [("--size=0", "size"), ("--sice=3", "sice"), ("size=3", "not a flag")]
)
def test_wrong_flags(argument, text, capsys):
    assert run(lambda options: 0, argument) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.strip().splitlines()) == 1


def test_what_was_typed_is_known(tmp_path, monkeypatch):
    (tmp_path / "tla").mkdir()
    (tmp_path / "tla/any.flags").write_text("--size=2\n")
    user = tmp_path / "user.flags"
    user.write_text("--size=3\n")
    monkeypatch.setattr(command_line.recipe, "store", lambda: tmp_path)

    def define_both(values):
        define(values)
        flags.DEFINE_string("dataset", "any", "A data set.", flag_values=values)

    said = []
    body = lambda options: said.append((options.size, options["size"].using_default_value))
    for arguments in ([], [f"--flagfile={user}"], ["--size=4", f"--flagfile={user}"]):
        argv = ["command", *arguments]
        assert command_line.run(argv, define=define_both, body=body, about="", family="tla") == 0
    assert said == [(2, True), (3, True), (4, False)]


def test_help_needs_no_body(capsys):
    assert run(failing(AssertionError()), "--help") == 0
    assert "--size" in capsys.readouterr().out


def test_flags_reach_the_body():
    assert run(lambda options: options.size, "--size=5") == 5


def test_warnings_for_the_user_are_one_line():
    run(lambda options: 0)
    place = ("results.py", 3)
    assert warnings.formatwarning("line 2 was cut off", UserWarning, *place) == (
        "warning: line 2 was cut off\n"
    )
    assert "results.py:3" in warnings.formatwarning("old", DeprecationWarning, *place)
