"""Workers ask one another about once a second, at the same steps."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.errors import RunError
from robust_tf.training import workers
from robust_tf.training.workers import Agreement, Worker


def test_a_worker_alone_answers_at_every_step():
    alone = Agreement(tf.distribute.get_strategy())
    assert [alone.now_and_then(step, [step, 0]) for step in (1, 2, 3)] == [[1, 0], [2, 0], [3, 0]]


def test_sums_of_every_length_without_a_warning_of_tensorflow(monkeypatch, caplog):
    """It counts traces: one for each length, and again for every part of a run that asks."""
    monkeypatch.setattr(workers, "on_several", lambda strategy: True)
    monkeypatch.setattr(workers, "local_replicas", lambda strategy: 1)
    tf.get_logger().addHandler(caplog.handler)
    try:
        for _ in range(2):
            agreement = Agreement(tf.distribute.get_strategy())
            for count in range(1, 7):
                assert agreement.total(range(count)) == [*range(count)]
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert not caplog.records


@pytest.mark.parametrize("index, says", [(0, True), (0, False), (1, True), (1, False)])
def test_the_chief_alone_answers_a_question(monkeypatch, index, says):
    """On NFS another worker may see a folder as it was before."""
    monkeypatch.setattr(workers, "this_worker", lambda: Worker(index, 2))
    monkeypatch.setattr(workers, "on_several", lambda strategy: True)
    monkeypatch.setattr(workers, "local_replicas", lambda strategy: 1)
    agreement, asked = Agreement(tf.distribute.get_strategy()), []
    monkeypatch.setattr(agreement, "total", lambda own: own if index == 0 else [own[0] + says])
    assert agreement.of_chief(lambda: asked.append(1) or says) == says
    assert len(asked) == (index == 0)


@pytest.mark.parametrize("other", ["0" * 64, "f" * 64, "e" * 64, None])
def test_who_has_found_something_else_trains_nothing(monkeypatch, other):
    """Each worker reads its own copy of the data and of the weights to begin with."""
    monkeypatch.setattr(workers, "this_worker", lambda: Worker(0, 2))
    monkeypatch.setattr(workers, "on_several", lambda strategy: True)
    monkeypatch.setattr(workers, "local_replicas", lambda strategy: 1)
    agreement, number = Agreement(tf.distribute.get_strategy()), int((other or "0")[:6], 16)
    theirs = [other is not None, number, np.int64(number) ** 2]
    monkeypatch.setattr(agreement, "total", lambda own: [a + b for a, b in zip(own, theirs)])
    refused = pytest.raises(RunError, match="do not have the same images")
    with nullcontext() if other in (None, "f" * 64) else refused:
        agreement.require_equal(lambda: "f" * 64, "images")


@pytest.mark.parametrize("mine, others", [(0.1, 0.1), (0.05, 0.15), (3.0, 3.0)])
def test_several_ask_every_second(monkeypatch, mine, others):
    """The first step compiles for 30 s. Each worker has its own clock, and all know the mean."""
    asked, clock = [], [0.0]
    monkeypatch.setattr(workers, "this_worker", lambda: Worker(0, 2))
    monkeypatch.setattr(workers, "on_several", lambda strategy: True)
    monkeypatch.setattr(workers, "local_replicas", lambda strategy: 1)
    monkeypatch.setattr(workers.time, "monotonic", lambda: clock[0])
    agreement = Agreement(tf.distribute.get_strategy())

    def total(numbers):
        asked.append(step)
        *own, spent = numbers
        return [*(2 * number for number in own), round(spent * (1 + others / mine))]

    monkeypatch.setattr(agreement, "total", total)
    for step in range(1, 31):
        clock[0] += mine if step > 1 else 30
        answer = agreement.now_and_then(step, [1])
        assert answer == ([2] if asked[-1] == step else [0])
    mean = (mine + others) / 2
    every = max(1, round(1 / mean))
    assert asked == [1, *range(2, 31, every)]
