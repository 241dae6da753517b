"""What every entry point does around its work: flags, help, and one clear line for a mistake.

Exit codes: 0 done; 1 failed on the way; 2 a mistake in flags, data or folder, found before any
work. 130 stopped by Ctrl-C; a training also by SIGHUP (129) or SIGTERM (143). 141 where nobody
reads the output any more.
"""

import contextlib
import functools
import logging
import os
import signal
import sys
import threading
import warnings

from absl import flags as absl_flags

from robust_tf.cli.start_tensorflow import load_tensorflow
from robust_tf.data.text_lines import visible
from robust_tf.errors import INTERRUPTED, SIGNALLED, RunError, UserError, reason_of
from robust_tf.runs.standard_output import make_outputs_usable, silence

_PLAIN_FORMAT = warnings.formatwarning
_STOPPED = "interrupted; the same command goes on where it stopped"


def run(argv=None, *, table, body, about):
    """Parses the flags, runs the body, and turns what goes wrong into a line and an exit code.

    Args:
        argv: Command and its flags, list of str; default: the arguments of this process.
        table: `FlagTable` of the command.
        body: function (Options) that does the work; it returns the exit code, None for 0.
        about: text shown above the flags by --help.

    Returns:
        The exit code.
    """
    make_outputs_usable()
    try:
        return _run(argv, table, body, about)
    except BrokenPipeError:  # nobody reads any more, as after `| head`
        silence(sys.stdout)
        return SIGNALLED + signal.SIGPIPE


def _run(argv, table, body, about):
    try:
        flags = _flags_of(argv)
        if {"--help", "-help", "-h"} & set(flags):
            print(_help(table, about), flush=True)
            return 0
        options = table.parse(flags)
        with _plain_lines(), _hearing_ctrl_c():
            load_tensorflow()
            code = body(options) or 0
            sys.stdout.flush()
            return code
    except UserError as error:
        return _say(error, 2)
    except absl_flags.Error as error:
        return _say(f"{error} (--help lists the flags)", 2)
    except RunError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say(_STOPPED, INTERRUPTED)
    except Exception as error:
        if _says(error, "REPLACED BY KeyboardInterrupt"):  # in TensorFlow, as an operation failed
            return _say(_STOPPED, INTERRUPTED)
        if _says(error, "No space left on device", "File too large", "Disk quota exceeded"):
            reason = reason_of(error)
            reason = f"nothing more can be written ({reason}); what was written before is kept"
        elif _says(error, "Input/output error", "Stale file handle"):
            reason = f"a disk or its server fails ({reason_of(error)}); try again when it is back"
        elif type(error).__name__ == "ResourceExhaustedError":  # of TensorFlow
            reason = (
                f"the device has too little memory ({reason_of(error)[:120]}); a smaller batch "
                "needs less: --batch_size, in the evaluation after a training --eval_batch_size"
            )
        elif isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename}: {error.strerror or error}"
        else:
            raise
        return _say(reason, 1)


def _flags_of(argv):
    """The flags behind the name of the command, which a call in Python easily forgets."""
    if argv is None and sys.argv[0].endswith("kernel_launcher.py"):
        raise UserError("these are Jupyter's own arguments; call main(['train', '--name=value'])")
    if argv and argv[0].startswith("-"):
        raise UserError(
            f"main({list(argv)}) begins with a flag, where the name of the command belongs: "
            f"main(['train', {argv[0]!r}])"
        )
    return (sys.argv if argv is None else argv)[1:]


@contextlib.contextmanager
def _plain_lines():
    """Shows warnings and logs as lines of the command until its end; a notebook goes on then."""
    format_before, handlers_before = warnings.formatwarning, logging.root.handlers[:]
    warnings.formatwarning = _one_line
    logging.basicConfig(handlers=[_PlainLog()])
    try:
        yield
    finally:
        warnings.formatwarning, logging.root.handlers[:] = format_before, handlers_before


@contextlib.contextmanager
def _hearing_ctrl_c():
    """Lets Ctrl-C end the process where a KeyboardInterrupt might be swallowed: in an import."""
    first = threading.current_thread() is threading.main_thread()
    if not first or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    terminal = os.dup(2)

    def come(number, frame):
        while frame is not None:
            if frame.f_globals.get("__name__") == "importlib._bootstrap":
                with contextlib.suppress(OSError, RuntimeError):  # in the midst of a line
                    sys.stdout.flush()  # an import may come after much work
                os.write(terminal, f"{_STOPPED}\n".encode())
                os._exit(INTERRUPTED)
            frame = frame.f_back
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, come)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(terminal)


def command(table, about):
    """Makes the body of a command, a function (Options), its `main`; see `run` for the arguments.

    It has the name of the body, so another process finds it.
    """

    def command_of(body):
        @functools.wraps(body)
        def called(argv=None):
            return run(argv, table=table, body=body, about=about)

        return called

    return command_of


def on_devices(body):
    """Returns the body of a command, run in the scope of its --strategy: see `attack_loop`.

    A SavedModel stays on one device: its functions are bound to the variables of that device.
    """

    @functools.wraps(body)
    def run_body(options):
        from robust_tf.training.strategy import evaluation_strategy

        name = "one_device" if options.values.get("saved_model") else options.strategy
        with evaluation_strategy(name, options.logical_cpus).scope():
            return body(options)

    return run_body


def _one_line(message, category, *place, **line):
    """Formats our warnings, which are for the user, without the line of the code they come from."""
    if category is not UserWarning:
        return _PLAIN_FORMAT(message, category, *place, **line)
    return f"warning: {visible(str(message))}\n"


class _PlainLog(logging.StreamHandler):
    """Shows what modules log, as what the data leave out, in the form of the other warnings."""

    def format(self, record):
        return f"{record.levelname.lower()}: {visible(record.getMessage())}"


def _help(table, about):
    values = absl_flags.FlagValues()
    table.define(values)
    # Without docstrings, as under python -OO, nothing stands above.
    return f"{(about or '').strip()}\n{values.get_help()}".lstrip()


def _says(error, *signs):
    """Whether an error, also one of TensorFlow or HDF5, has one of these texts of the system."""
    return any(sign in str(error) for sign in signs)


def _say(message, code):
    try:
        sys.stdout.flush()
    except OSError:  # the error of before comes again
        silence(sys.stdout)
    print(visible(f"error: {message}") if code != INTERRUPTED else message, file=sys.stderr)
    return code
