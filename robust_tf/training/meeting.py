"""Workers wait for one another in Python, where signals are heard.

TensorFlow waits, too, but lets Python run no handler meanwhile, and takes SIGTERM for a notice.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time

from robust_tf.errors import SIGNALLED

EVERY = 0.2  # seconds between two rounds of questions
PATIENCE = 1.0  # seconds that a worker may take to answer


def meet(places, own):
    """Returns once every other worker listens at its place: here, or in TensorFlow already.

    Args:
        places: list of "host:port", one a worker.
        own: index of this worker.

    Raises:
        OSError: another process has the port of this worker.
    """
    missing = {*places[:own], *places[own + 1 :]}
    with _listening(_address(places[own])[1]), _ended_by_sigterm():
        while missing := {place for place in missing if not _answers(place)}:
            time.sleep(EVERY)


def _address(place):
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def _listening(port):
    """A socket for all addresses; it shares the port where TensorFlow's server would share it."""
    settings = {"reuse_port": os.environ.get("TF_GRPC_REUSE_PORT") in ("1", "true")}
    if socket.has_dualstack_ipv6():
        settings |= {"family": socket.AF_INET6, "dualstack_ipv6": True}
    return socket.create_server(("", port), **settings)


def _answers(place):
    try:
        with socket.create_connection(_address(place), PATIENCE) as found:
            # Where nobody listens, a socket that was given the very port calls itself.
            return found.getsockname() != found.getpeername()
    except OSError:
        return False


@contextlib.contextmanager
def _ended_by_sigterm():
    """Lets SIGTERM end the process with a line, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def come(number, frame):
        del frame
        print("stopped before all workers were there", file=sys.stderr)
        sys.exit(SIGNALLED + number)

    before = signal.signal(signal.SIGTERM, come)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
