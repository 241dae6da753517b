"""What tests of every package use."""

import gc
import signal

import pytest

USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
# Objects that are made before Python looks for garbage; its own 700 take a tenth of all the time.
BETWEEN_COLLECTIONS = 50_000


def pytest_collection_finish():
    """Modules live to the end: no later collection looks at them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(BETWEEN_COLLECTIONS, 20, 20)


@pytest.fixture
def eager():
    """See `eagerly`. Fixtures of modules and of the session are made before, in graph mode."""
    from eagerly import eagerly  # TensorFlow is imported by tests that need it

    with eagerly():
        yield


@pytest.fixture
def heard_signals():
    """Signals do what they usually do, here and in new processes; nohup and `&` ignore them."""
    before = {number: signal.signal(number, usual) for number, usual in USUAL.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
