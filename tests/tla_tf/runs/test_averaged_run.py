"""A run with --ema shows, selects and keeps the averages, and trains on its own weights."""

import json

import keras
import numpy as np
import pytest

from robust_tf.errors import UserError
from robust_tf.runs.checkpoints import Checkpoints
from tla_tf.evaluation.held_out_monitor import HeldOutMonitor
from tla_tf.options import TRAIN

EAGER = pytest.mark.usefixtures("eager")


def averages(states, decay):
    """By hand: a_1 = w_1, a_t = decay * a_(t-1) + (1 - decay) * w_t."""
    average, seen = states[0], []
    for state in states:
        average = [decay * a + (1 - decay) * w for a, w in zip(average, state)]
        seen.append(average)
    return seen


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def weights(path):
    return keras.models.load_model(path).get_weights()


@pytest.fixture
def trained(smoke, tmp_path, monkeypatch):
    """Function (*flags) -> the network's own weights and the monitor's, by interval."""

    def record(patch, cls, method, states, network):
        original = getattr(cls, method)

        def wrapped(self, *given):
            states.append(network(self).get_weights())
            return original(self, *given)

        patch.setattr(cls, method, wrapped)

    def run(*flags):
        own, watched = [], []
        with monkeypatch.context() as patch:
            record(patch, Checkpoints, "save", own, lambda saver: saver._model.network)
            record(
                patch, HeldOutMonitor, "on_interval_end", watched, lambda held: held.model.network
            )
            # Selection has no part in it, and its attacks cost most.
            patch.setattr(HeldOutMonitor, "_look_for_masking", lambda monitor, logs: None)
            kept = ["--method=um", "--checkpoint_every=1", "--eval_attacks=clean"]
            assert smoke(*kept, f"--workdir={tmp_path}", *flags) == 0
        return own, watched

    return run


@EAGER
def test_averages_are_watched_selected_and_kept(trained, tmp_path):
    own, watched = trained("--train_steps=3", "--ema=0.5", "--held_out=20", "--select=best")
    expected = averages(own, 0.5)
    assert max(np.abs(a - b).max() for a, b in zip(expected[-1], own[-1])) > 1e-4
    for found, average in zip(watched, expected, strict=True):
        assert_close(found, average)
    held_out = [line["held_out_pgd10"] for line in metrics(tmp_path)]
    best = max(range(3), key=lambda i: (held_out[i], i))
    assert_close(weights(tmp_path / "final.keras"), expected[best])


@EAGER
def test_a_longer_run_goes_on_from_its_own_weights(trained, tmp_path, monkeypatch):
    """Also where Keras's `fit` has ended on the averages, and with a shorter last interval.

    What the folder shows then decides nothing: to another worker it may not show the last state.
    """
    restore, restored = Checkpoints.restore_latest, []

    def restore_once(checkpoints):
        assert checkpoints not in restored
        restored.append(checkpoints)
        return restore(checkpoints)

    monkeypatch.setattr(Checkpoints, "restore_latest", restore_once)
    flags = ["--ema=0.5", "--checkpoint_every=2"]
    first, _ = trained("--train_steps=3", *flags)
    second, _ = trained("--train_steps=5", *flags)
    whole, _ = trained("--train_steps=5", *flags, f"--workdir={tmp_path / 'whole'}")
    for found, expected in zip(
        weights(tmp_path / "final.keras"), weights(tmp_path / "whole/final.keras")
    ):
        np.testing.assert_array_equal(found, expected)
    assert len(first + second) == 4 and len(whole) == 3


def metrics(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--ema=1"], "--ema=1: the decay lies between 0 and 1"),
        (
            ["--schedule=cosine", "--boundaries=3", "--learning_rates=1,2"],
            "takes one learning rate",
        ),
        (["--schedule=onecycle", "--warmup_steps=8"], "--warmup_steps=8 must be fewer"),
        (["--warmup_steps=2"], "--warmup_steps goes with --schedule=onecycle, cosine"),
    ],
)
def test_refused(flags, said):
    with pytest.raises(UserError, match=said):
        TRAIN.parse(["--flagfile=flags/tla/smoke.flags", "--train_steps=8", *flags])


def test_a_schedule_takes_the_first_rate_of_a_recipe():
    full = TRAIN.parse(["--dataset=cifar10", "--schedule=onecycle"])
    assert (full.learning_rates, full.boundaries) == ([0.1], [])


def test_a_run_with_a_schedule_has_one_length():
    """The rate of every update follows from the number of all."""
    runs = [
        TRAIN.parse(["--flagfile=flags/tla/smoke.flags", f"--train_steps={n}", *more])
        for n in (8, 9)
        for more in ([], ["--schedule=cosine"])
    ]
    plain, cosine, longer, longer_cosine = (run.run_identity() for run in runs)
    assert not list(longer.differences(plain.flags))
    assert [name for name, *_ in longer_cosine.differences(cosine.flags)] == ["train_steps"]
