"""Processes that a command starts and waits for; a signal to the command is theirs to obey."""

import contextlib
import signal
import subprocess

from robust_tf.errors import SIGNALLED


@contextlib.contextmanager
def forwarding():
    """Gives a function like `subprocess.Popen`, whose processes get the signals to this one.

    A signal that is ignored, as SIGHUP under nohup, stays ignored, for the processes too.
    """
    processes, came = [], []

    def hand_on(number, _):
        came.append(number)
        for process in processes:
            process.send_signal(number)

    def start(command, **settings):
        processes.append(subprocess.Popen(command, **settings))
        for number in came:  # before this process was known
            processes[-1].send_signal(number)
        return processes[-1]

    # A terminal sends SIGINT to all of them.
    handlers = {signal.SIGINT: lambda *_: None, signal.SIGTERM: hand_on, signal.SIGHUP: hand_on}
    heard = [number for number in handlers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handlers[number]) for number in heard}
    try:
        yield start
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(process):
    """Waits for a process; returns its exit code, 128 and the signal that killed it, as a shell."""
    code = process.wait()
    return code if code >= 0 else SIGNALLED - code
