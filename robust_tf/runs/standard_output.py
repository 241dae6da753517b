"""Standard output that the shell has closed, or that is lost while a command runs."""

import io
import os
import sys


class LostOutput:
    """A text stream whose loss raises no error: its lines go nowhere from then on.

    A disk is full, a terminal was closed, or nobody reads a pipe any more.

    Args:
        stream: standard output.
        unread: function (BrokenPipeError), called when the reader of the pipe has gone.
    """

    def __init__(self, stream, unread):
        self._stream, self._unread = stream, unread

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        self._try(self._stream.write, text)

    def flush(self):
        self._try(self._stream.flush)

    def _try(self, method, *arguments):
        try:
            method(*arguments)
        except BrokenPipeError as error:
            self._unread(error)
            silence(self._stream)
        except OSError:
            silence(self._stream)


def silence(stream):
    """Sends all later text of a stream nowhere, its buffer included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def make_outputs_usable():
    """Opens the outputs that `>&-` has closed, and lets standard output take every character.

    The next file would get the number of a closed output. A terminal without UTF-8 has no ±, and
    the name of a folder may be no text.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            setattr(sys, name, open(number, "w", encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # one for one: columns stay
