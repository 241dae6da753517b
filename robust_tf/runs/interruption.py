"""What ends a training before its time: Ctrl-C, SIGTERM, SIGHUP, and output that nobody reads."""

import contextlib
import os
import signal
import sys
import threading
import time

from robust_tf.errors import SIGNALLED
from robust_tf.runs.standard_output import LostOutput

PATIENCE = 1.5  # seconds that the first step, which is traced and compiled, may still take
TOGETHER = 0.5  # seconds in which signals are one: `timeout` and the end of a session send two


class StopOnInterrupt:
    """A signal ends training after the current step; Ctrl-C once more ends it at once.

    A signal that is ignored, as SIGHUP under nohup, stays ignored.

    A signal before the first step ends the process soon, as nothing is lost then. TensorFlow may
    compile for minutes, during which Python runs no handler.

    A pipe whose reader has gone, as after `| head` or Ctrl-C in `| tee`, is as SIGPIPE. Lines for
    a closed terminal or a full disk are lost, and the training goes on.

    Args:
        stop: function (number of the signal), called when it comes; what it raises is raised where
            the signal comes.
        has_stepped: function () -> whether this process has made a step.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)

    def __init__(self, stop, has_stepped):
        self._stop, self._has_stepped = stop, has_stepped
        self._came_at = None  # time of the first signal
        # Python lets only the main thread handle signals.
        self._active = threading.current_thread() is threading.main_thread()

    def __enter__(self):
        self._output = contextlib.redirect_stdout(LostOutput(sys.stdout, self._unread))
        self._output.__enter__()
        if self._active:
            reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            threading.Thread(target=self._end_before_a_step, args=(reader,), daemon=True).start()
            heard = [n for n in self.SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._come) for number in heard}
            self._wakeup = signal.set_wakeup_fd(self._writer)

    def __exit__(self, *raised):
        if self._active:
            for number, handler in self._previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._writer)
        self._output.__exit__(*raised)

    def _come(self, number, frame):
        del frame
        if self._came_at is None:
            self._came_at = time.monotonic()
            _say("stopping after this step; Ctrl-C again ends at once")
            self._stop(number)
        elif number == signal.SIGINT and time.monotonic() - self._came_at > TOGETHER:
            raise KeyboardInterrupt

    def _unread(self, error):
        if not self._has_stepped():
            raise error
        if self._came_at is None:
            self._came_at = time.monotonic()
            self._stop(signal.SIGPIPE)

    def _end_before_a_step(self, reader):
        """Runs in a thread: the number of a signal is in the pipe before any handler runs."""
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while number := pipe.read(1):
                if number[0] not in self.SIGNALS:  # of a handler that somebody else has set
                    continue
                if not self._has_stepped():
                    time.sleep(PATIENCE)
                if not self._has_stepped():
                    _say("stopped before a step; the same command begins it again")
                    os._exit(SIGNALLED + number[0])


def _say(text):
    # The reader has gone, too, or the signal came while a line was printed.
    with contextlib.suppress(OSError, RuntimeError):
        print(f"\n{text}", flush=True)
