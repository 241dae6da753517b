"""What goes wrong becomes one line and an exit code."""

import errno
import logging
import os
import pathlib
import signal
import subprocess
import sys
import warnings

import pytest
import tensorflow as tf

from robust_tf.cli import command_line
from robust_tf.cli.flag import count, text
from robust_tf.cli.flag_table import FlagTable
from robust_tf.errors import RunError, UserError
from robust_tf.reports.table import aligned
from robust_tf.training import recipe

ROOT = pathlib.Path(__file__).parents[3]
SIZE = count("size", 1, "A size.")


def run(body, *arguments):
    table = FlagTable({"Sizes": (SIZE,)})
    return command_line.run(["command", *arguments], table=table, body=body, about="About.")


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
        # As pybind11 says it where Ctrl-C came while TensorFlow waited for what then failed.
        (
            RuntimeError("ORIGINAL UnavailableError REPLACED BY KeyboardInterrupt: <EMPTY>"),
            *(130, "interrupted"),
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: nothing more can be written"),
        (ValueError("save failed: No space left on device"), 1, "nothing more can be written"),
        (OSError(errno.EIO, "Input/output error"), 1, "error: a disk or its server fails ([Errno"),
        (OSError(errno.ESTALE, "Stale file handle", "a/b"), 1, "error: a disk or its server fails"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nwith shape"),
            *(1, "error: the device has too little memory (OOM when allocating tensor); a smaller"),
        ),
        (OSError(errno.EACCES, "Permission denied", "a/b"), 1, "error: a/b: Permission denied"),
        (OSError(errno.ENOTDIR, "Not a directory", "a/b"), 1, "error: a/b: Not a directory"),
    ],
)
def test_errors_are_one_line(error, code, text, capsys):
    assert run(failing(error)) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and text in lines[0]


def test_a_terminal_gets_no_control_characters_of_a_file(capsys):
    def body(options):
        print(warnings.formatwarning("layer \x1b[31m", UserWarning, "results.py", 3), end="")
        print(aligned(("a",), [("\x9b31m",)]))
        raise UserError("layer \x1b]0;title\x07")

    assert run(body) == 2
    out, err = capsys.readouterr()
    assert out == "warning: layer \\x1b[31m\na\n-------\n\\x9b31m\n"
    assert err == "error: layer \\x1b]0;title\\x07\n"


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


def test_a_call_without_the_name_of_the_command_loses_no_flag(capsys):
    flags = {"table": FlagTable({"Sizes": (SIZE,)}), "about": "", "body": lambda options: 0}
    assert command_line.run(["--size=3", "--size=4"], **flags) == 2
    error = capsys.readouterr().err
    assert "begins with a flag" in error and "main(['train', '--size=3'])" in error


@pytest.mark.parametrize("kernel", ["ipykernel_launcher.py", "colab_kernel_launcher.py"])
def test_the_arguments_of_a_notebook_are_no_flags(kernel, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"/bin/{kernel}", "-f", "kernel.json"])
    flags = {"table": FlagTable({"Sizes": (SIZE,)}), "about": "", "body": lambda options: 0}
    assert command_line.run(**flags) == 2
    assert "Jupyter's own arguments; call main([" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["train.py", "--size=3"])  # as %run sets it
    assert command_line.run(**flags) == 0


def test_a_notebook_has_its_own_warnings_and_logs_again_after_a_command(monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    before = warnings.formatwarning
    assert run(lambda options: len(logging.root.handlers) - 1) == 0
    assert (warnings.formatwarning, logging.root.handlers) == (before, [])


def test_what_was_typed_is_known(tmp_path, monkeypatch):
    (tmp_path / "tla").mkdir()
    (tmp_path / "tla/any.flags").write_text("--size=2\n")
    user = tmp_path / "user.flags"
    user.write_text("--size=3\n")
    monkeypatch.setattr(recipe, "store", lambda: tmp_path)
    table = FlagTable({"Data": (SIZE, text("dataset", "any", "A data set."))}, family="tla")
    said = []
    body = lambda options: said.append((options.size, "size" in options.typed))
    for arguments in ([], [f"--flagfile={user}"], ["--size=4", f"--flagfile={user}"]):
        argv = ["command", *arguments]
        assert command_line.run(argv, table=table, body=body, about="") == 0
    assert said == [(2, False), (3, False), (4, True)]


def test_a_command_without_recipes_reads_flagfiles_as_a_training_does(tmp_path):
    (tmp_path / "inner.flags").write_text("--size=3  # of the paper\n")
    user = tmp_path / "user.flags"
    user.write_text("--flagfile=inner.flags\n--folder='my run'\n", encoding="utf-8-sig")
    table = FlagTable({"Data": (SIZE, text("folder", None, "A folder."))})
    found = table.parse([f"--flagfile={user}"])
    assert (found.size, found.folder, found.typed) == (3, "my run", {"size", "folder"})
    assert table.parse(["--size=4", f"--flagfile={user}"]).size == 4


def test_whoever_stops_reading_sees_no_traceback():
    command = [sys.executable, "-m", "tla_tf.train", "--help"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


SAYING = """
import sys
from robust_tf.cli import command_line, flag_table
command_line.load_tensorflow = print
about = {"table": flag_table.FlagTable({}), "about": "About."}
code = command_line.run(["command"], body=lambda options: print("0.5 \u00b1 0.1"), **about)
print(f"ended with {code}", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "output, code, said",
    [
        (
            ">/dev/full",
            1,
            "error: nothing more can be written ([Errno 28] No space left on device)",
        ),
        (">&-", 0, "ended with 0"),
        (">&- 2>&-", 0, ""),
    ],
)
def test_an_output_that_takes_nothing(output, code, said):
    """The last lines of a command stay in a buffer until its end."""
    command = ["bash", "-c", f'"$0" -c "$1" {output}', sys.executable, SAYING]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=buffered)
    assert done.stderr.startswith(said) and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (2 if code else bool(said))
    assert said == "" or f"ended with {code}\n" in done.stderr


def test_a_terminal_without_utf_8():
    """A traceback would stand where the results belong."""
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", SAYING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=ascii_only)
    assert (done.returncode, done.stdout) == (0, "\n0.5 ? 0.1\n")


def test_help_needs_no_body(capsys):
    assert run(failing(AssertionError()), "--help") == 0
    assert "--size" in capsys.readouterr().out


def test_help_without_docstrings():
    command = [sys.executable, "-OO", "-m", "tla_tf.train", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Data:\n")


LOGGING = """
import logging
from absl import logging as absl_logging
from robust_tf.cli import command_line, flag_table
command_line.load_tensorflow = print
def body(options):
    absl_logging.warning("%d classes without an image", 2)
    logging.info("not shown")
command_line.run(["command"], body=body, table=flag_table.FlagTable({}), about="")
"""


def test_what_is_logged_looks_like_the_other_warnings():
    command = [sys.executable, "-c", LOGGING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "warning: 2 classes without an image\n"


def test_flags_reach_the_body():
    assert run(lambda options: options.size, "--size=5") == 5


def test_warnings_for_the_user_are_one_line():
    def body(options):
        place = ("results.py", 3)
        assert warnings.formatwarning("line 2 was cut off", UserWarning, *place) == (
            "warning: line 2 was cut off\n"
        )
        assert "results.py:3" in warnings.formatwarning("old", DeprecationWarning, *place)

    assert run(body) == 0
