"""Where workers listen for one another, and what counts as an answer."""

import socket
import threading

import pytest

from robust_tf.errors import UserError
from robust_tf.training import meeting


def port_of(listening):
    return listening.getsockname()[1]


def test_a_worker_that_listens_answers_and_nobody_else():
    with meeting._listening(0) as there:
        place = f"localhost:{port_of(there)}"
        assert meeting._silence(place, own_port=1) is None
    assert meeting._silence(place, own_port=1) == "Connection refused"


def test_a_socket_that_has_called_itself_is_no_answer(monkeypatch):
    """While nobody listens there, the kernel may give the very port to the socket that calls."""

    def calling_itself(place, patience):
        del place, patience
        found = socket.socket()
        found.bind(("localhost", 0))
        found.connect(found.getsockname())
        return found

    monkeypatch.setattr(socket, "create_connection", calling_itself)
    assert meeting._silence("localhost:1", own_port=1) == "Connection refused"


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_is_shared_where_tensorflow_would_share_it(shared, monkeypatch):
    """The same worker begun twice waited for the others, instead of naming its port."""
    monkeypatch.delenv("TF_GRPC_REUSE_PORT", raising=False)
    if shared:
        monkeypatch.setenv("TF_GRPC_REUSE_PORT", "1")
    with meeting._listening(0) as first:
        if shared:
            meeting._listening(port_of(first)).close()
            return
        with pytest.raises(OSError):
            meeting._listening(port_of(first))


def free_port():
    with socket.create_server(("localhost", 0)) as found:
        return port_of(found)


@pytest.mark.parametrize("host", ["localhost", "127.0.1.1"])  # Debian gives a host the second
def test_a_worker_with_the_index_of_another_is_refused(host):
    """The same TF_CONFIG on two machines: each met itself, and they waited in TensorFlow."""
    port = free_port()
    with pytest.raises(UserError, match=f"at {host}:{port}, .* meets itself"):
        meeting.meet([f"elsewhere:{port}", f"{host}:{port}"], 0)


def test_missing_workers_are_named_once(monkeypatch):
    """By those who come to wait, with the reason; some were there at once."""
    monkeypatch.setattr(meeting, "QUIET", 0.3)
    with meeting._listening(0) as there:
        late, present = free_port(), port_of(there)
        came = []
        coming = threading.Timer(0.8, lambda: came.append(meeting._listening(late)))
        coming.start()
        places = [f"localhost:{port}" for port in (free_port(), present, late)]
        with pytest.warns(UserWarning) as warned:
            meeting.meet(places, 0)
        came[0].close()
    (line,) = warned
    said = f"still waiting for the workers at localhost:{late} (Connection refused)"
    assert str(line.message) == said


def test_a_name_that_nobody_knows_is_a_reason():
    assert "not known" in meeting._silence("no.such.host.invalid:1", own_port=2)
