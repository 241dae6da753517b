"""What tests of every package use."""

import signal

import pytest

USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}


@pytest.fixture
def heard_signals():
    """Signals do what they usually do, here and in new processes; nohup and `&` ignore them."""
    before = {number: signal.signal(number, usual) for number, usual in USUAL.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
