"""Where workers listen for one another, and what counts as an answer."""

import socket

import pytest

from robust_tf.training import meeting


def port_of(listening):
    return listening.getsockname()[1]


def test_a_worker_that_listens_answers_and_nobody_else():
    with meeting._listening(0) as there:
        place = f"localhost:{port_of(there)}"
        assert meeting._answers(place)
    assert not meeting._answers(place)


def test_a_socket_that_has_called_itself_is_no_answer(monkeypatch):
    """While nobody listens there, the kernel may give the very port to the socket that calls."""

    def calling_itself(place, patience):
        del place, patience
        found = socket.socket()
        found.bind(("localhost", 0))
        found.connect(found.getsockname())
        return found

    monkeypatch.setattr(socket, "create_connection", calling_itself)
    assert not meeting._answers("localhost:1")


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
