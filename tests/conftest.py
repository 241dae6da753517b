"""What tests of every package use."""

import functools
import gc
import random
import re
import signal
import sys

import pytest

USUAL = {signal.SIGINT: signal.default_int_handler}
USUAL |= {number: signal.SIG_DFL for number in (signal.SIGHUP, signal.SIGTERM)}
# Objects that are made before Python looks for garbage; its own 700 take a tenth of all the time.
BETWEEN_COLLECTIONS = 50_000
# A module that imports tests/forked.py, itself or through tests/reliability.py.
FORKS = re.compile(r"^(import|from) (forked|reliability)\b", re.MULTILINE)


def pytest_collection_modifyitems(items):
    """Tests that fork come first, so that most of them share one fork server.

    They take longest: at the end the processes of pytest-xdist share short ones.
    """
    items.sort(key=lambda item: not _forks(item.path))


@functools.cache
def _forks(path):
    return bool(FORKS.search(path.read_text()))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Imports leave hardly any garbage, and modules live to the end: none is looked at again."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.set_threshold(BETWEEN_COLLECTIONS, 20, 20)
    gc.enable()
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """No test depends on those before it in its process, whichever these are.

    Keras draws the seeds of weights without one by `random`, and a command sets its policy for all.
    """
    random.seed(item.nodeid)
    if keras := sys.modules.get("keras"):
        keras.config.set_dtype_policy("float32")


@pytest.fixture
def eager():
    """See `eagerly`. Fixtures of modules and of the session are made before, in graph mode."""
    from eagerly import eagerly  # TensorFlow is imported by tests that need it

    with eagerly():
        yield


@pytest.fixture
def plain_graphs():
    """Graphs run as they are traced: TensorFlow's optimiser of graphs takes a fifth of the time.

    For tests of what is trained, refused or counted. Whole runs and attacks are tested with it.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture
def forked_reload():
    """See `forked.reloads`."""
    from forked import reloads

    with reloads():
        yield


@pytest.fixture
def heard_signals():
    """Signals do what they usually do, here and in new processes; nohup and `&` ignore them."""
    before = {number: signal.signal(number, usual) for number, usual in USUAL.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
