"""Workers wait for one another in Python, where signals are heard.

TensorFlow waits, too, but lets Python run no handler meanwhile, and takes SIGTERM for a notice.
"""

import contextlib
import math
import os
import signal
import socket
import sys
import threading
import time
import warnings

from robust_tf.errors import SIGNALLED, UserError

EVERY = 0.2  # seconds between two rounds of questions
PATIENCE = 1.0  # seconds that a worker may take to answer
QUIET = 20.0  # seconds after which the missing workers are named


def meet(places, own):
    """Returns once every other worker listens at its place: here, or in TensorFlow already.

    Workers that are missing for long are named in a warning.

    Args:
        places: list of "host:port", one a worker.
        own: index of this worker.

    Raises:
        OSError: another process has the port of this worker.
        UserError: the place of another worker is the place of this one.
    """
    port = _address(places[own])[1]
    others = [place for place in places if place != places[own]]
    quiet_until = time.monotonic() + QUIET
    with _listening(port), _ended_by_sigterm():
        while missing := _unreached(others, port):
            others = [*missing]
            if time.monotonic() > quiet_until:
                quiet_until = math.inf
                found = ", ".join(f"{place} ({why})" for place, why in missing.items())
                warnings.warn(f"still waiting for the workers at {found}", stacklevel=2)
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


def _unreached(places, own_port):
    """Returns dict place -> why nobody answers there, in words, of those where nobody does."""
    return {place: why for place in places if (why := _silence(place, own_port))}


def _silence(place, own_port):
    try:
        with socket.create_connection(_address(place), PATIENCE) as found:
            here = found.getpeername()
            # Where nobody listens, a socket that was given the very port calls itself.
            if here == found.getsockname():
                return "Connection refused"
            family = found.family
    except OSError as error:
        return error.strerror or str(error)
    if here[1] == own_port and _is_of_this_machine(family, here[0]):
        raise UserError(
            f"TF_CONFIG: at {place}, the place of another worker, this process meets itself; give "
            "each worker a place of its own and the index of this place"
        )
    return None


def _is_of_this_machine(family, address):
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
        return True
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
