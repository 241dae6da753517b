"""Ctrl-C, SIGTERM and SIGHUP while a model is trained."""

import os
import signal
import threading
import time

from robust_tf.errors import SIGNALLED

PATIENCE = 1.5  # seconds that the first step, which is traced and compiled, may still take


class StopOnInterrupt:
    """A signal ends training after the current step; a second one ends it at once.

    A signal that is ignored, as SIGHUP under nohup, stays ignored.

    A signal before the first step ends the process soon, as nothing is lost then: TensorFlow may
    compile for minutes, during which Python runs no handler.

    Args:
        stop: function (number of the signal), called when it comes.
        has_stepped: function () -> whether this process has made a step.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, stop, has_stepped):
        self._stop, self._has_stepped = stop, has_stepped
        # Python lets only the main thread handle signals.
        self._active = threading.current_thread() is threading.main_thread()

    def __enter__(self):
        if self._active:
            reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            threading.Thread(target=self._end_before_a_step, args=(reader,), daemon=True).start()
            heard = [n for n in self.SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._come) for number in heard}
            self._wakeup = signal.set_wakeup_fd(self._writer)

    def __exit__(self, *unused):
        if self._active:
            self._restore()
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._writer)

    def _come(self, number, frame):
        del frame
        self._stop(number)
        self._restore()
        print("\nstopping after this step; Ctrl-C again ends at once", flush=True)

    def _restore(self):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _end_before_a_step(self, reader):
        """Runs in a thread: the number of a signal is in the pipe before any handler runs."""
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            number = pipe.read(1)
        if number and not self._has_stepped():
            time.sleep(PATIENCE)
            if not self._has_stepped():
                print("\nstopped before a step; the same command begins it again", flush=True)
                os._exit(SIGNALLED + number[0])
