"""Checkpoints: whole or not at all, the last three, and past a torn one."""

import shutil
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from forked import ran

from robust_tf.errors import RunError
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.training.strategy import make_strategy

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")


def make_model():
    model = keras.Sequential(
        [keras.Input([3]), keras.layers.Dense(2), keras.layers.BatchNormalization()]
    )
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def state(model):
    return [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


def fill(model, value):
    for variable in [*model.variables, *model.optimizer.variables]:
        variable.assign(np.full(variable.shape, value))


@pytest.fixture
def saved(tmp_path):
    model = make_model()
    checkpoints = Checkpoints(tmp_path, model)
    for step in (2, 4, 6, 8):
        fill(model, step)
        checkpoints.save(step)
    checkpoints.wait()
    return checkpoints


def test_the_last_three_are_kept(saved, tmp_path):
    assert saved.steps() == [4, 6, 8]
    assert not list(tmp_path.glob("*.partial"))


def test_their_thread_ends_with_the_training(tmp_path):
    others = threading.enumerate()
    with Checkpoints(tmp_path, make_model()) as checkpoints:
        checkpoints.save(1)
        (own,) = set(threading.enumerate()) - set(others)
    assert checkpoints.steps() == [1] and not own.is_alive()


def test_a_fresh_model_gets_every_weight_and_slot(saved, tmp_path):
    fresh = make_model()
    assert Checkpoints(tmp_path, fresh).restore_latest() == 8
    for value in state(fresh):
        np.testing.assert_array_equal(value, np.full_like(value, 8))


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "missing"])
def test_a_torn_checkpoint_gives_way_to_the_one_before(saved, tmp_path, damage):
    data = next((tmp_path / "step-00000008").glob("*.data-*"))
    content = data.read_bytes()
    if damage == "truncated":
        data.write_bytes(content[: len(content) // 2])
    elif damage == "overwritten":
        data.write_bytes(content[:40] + b"\xff" * 40 + content[80:])
    else:
        data.unlink()
    fresh = make_model()
    with pytest.warns(UserWarning, match="the one before"):
        assert Checkpoints(tmp_path, fresh).restore_latest() == 6
    for value in state(fresh):
        np.testing.assert_array_equal(value, np.full_like(value, 6))
    assert saved.steps() == [4, 6]


def test_the_same_step_may_be_torn_again(saved, tmp_path):
    for _ in range(3):
        fill(saved._model, 8)
        saved.save(8)
        saved.wait()
        data = next((tmp_path / "step-00000008").glob("*.data-*"))
        data.write_bytes(data.read_bytes()[:-30])
        with pytest.warns(UserWarning, match="the one before"):
            assert saved.restore_latest() == 6
    assert len(list(tmp_path.glob("*.torn"))) == 1


def test_if_all_are_torn_nothing_begins_anew(saved, tmp_path):
    """A run of days, started again by a cluster, would forget its metrics without a word."""
    for folder in tmp_path.glob("step-*"):
        data = next(folder.glob("*.data-*"))
        data.write_bytes(data.read_bytes()[:-30])
    fresh = make_model()
    before = state(fresh)
    with pytest.raises(RunError, match="none of the checkpoints in .*; restore one, or remove"):
        Checkpoints(tmp_path, fresh).restore_latest()
    for value, expected in zip(state(fresh), before):
        np.testing.assert_array_equal(value, expected)
    assert saved.steps() == [4, 6, 8]


def test_a_killed_write_is_no_checkpoint_and_does_not_stay(saved, tmp_path):
    """A save after some minutes, too, whose step no later process saves at."""
    for step in (9, 10):
        shutil.copytree(tmp_path / "step-00000008", tmp_path / f"step-{step:08d}.partial")
    assert saved.restore_latest() == 8
    fill(saved._model, 10)
    saved.save(10)
    assert saved.steps() == [6, 8, 10]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_state_under_the_name_of_another_step_is_not_believed(saved, tmp_path):
    (tmp_path / "step-00000008").rename(tmp_path / "step-00000009")
    with pytest.warns(UserWarning, match="step-00000009 cannot be read .it is of step 8."):
        assert saved.restore_latest() == 6


@pytest.mark.parametrize(
    "content", ["", "5", "{}", '{"sums": 3, "seconds": 0}', '{"sums": [], "seconds": "x"}']
)
@pytest.mark.parametrize("digest", [True, False], ids=["with digest", "of an older version"])
def test_an_interval_that_is_none_sets_a_state_aside(content, digest, saved, tmp_path):
    folder = tmp_path / "step-00000008"
    (folder / "interval.json").write_text(content)
    if not digest:
        (folder / "digest.json").unlink()
    with pytest.warns(UserWarning, match="the one before"):
        assert saved.restore_latest() == 6


def test_states_of_older_versions_are_read(saved, tmp_path):
    for name in ("digest.json", "interval.json"):
        (tmp_path / "step-00000008" / name).unlink()
    assert saved.restore_latest() == 8
    assert saved.resume_interval(8) is None


def test_what_keeps_a_state_from_the_disk_is_raised(saved, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    saved.save(10)
    with pytest.raises(OSError, match="No space left"):
        saved.wait()
    assert saved.steps() == [4, 6, 8]


def resume_on_replicas(folder):
    """Runs in a process of its own, since the processor is divided before TensorFlow runs."""

    def copies(strategy):
        with strategy.scope():
            model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
            model.compile("sgd", loss="mse")
            model.optimizer.build(model.trainable_variables)
            model.evaluate(tf.zeros([2, 2]), tf.zeros([2, 2]), verbose=0)
        checkpoints = Checkpoints(folder, model)
        total = model.metrics[0].variables[0].value
        return checkpoints, getattr(total, "values", [total])

    two = make_strategy("mirrored", 2, logical_cpus=2)
    saved, (first, second) = copies(two)
    first.assign(0.1)
    second.assign(1000.0)
    saved.save(3)
    saved.wait()
    again, (third, fourth) = copies(two)
    again.resume_interval(3)
    assert (third.numpy(), fourth.numpy()) == (first.numpy(), second.numpy())
    alone, (total,) = copies(tf.distribute.get_strategy())
    alone.resume_interval(3)
    assert total.numpy() == first.numpy() + second.numpy()


def test_each_replica_goes_on_from_its_own_sums(tmp_path):
    code, said = ran(resume_on_replicas, tmp_path / "run", output=tmp_path / "said.txt")
    assert code == 0, said[-3000:]


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_file_system_that_fails_leaves_all_states_as_they_are(error, saved, monkeypatch):
    """A server that does not answer, or the folder of another user, is no damage."""

    def fail(path):
        raise error(5, "Input/output error", str(path))

    monkeypatch.setattr("robust_tf.results.digest.of_file", fail)
    with pytest.raises(RunError, match="step-00000008 cannot be read now .*the same command"):
        saved.restore_latest()
    assert saved.steps() == [4, 6, 8]


def test_an_old_state_that_cannot_be_removed_stays_until_it_can(saved, monkeypatch, tmp_path):
    """On NFS, while another process reads in it. So does what a killed process has left."""
    (tmp_path / "step-00000009.partial").mkdir()

    def in_use(*_, **__):
        raise OSError(39, "Directory not empty")

    with monkeypatch.context() as patch:
        patch.setattr("os.rmdir", in_use)
        saved.save(10)
        assert saved.steps() == [4, 6, 8, 10]
    assert list(tmp_path.glob("*.partial"))
    saved.save(12)
    assert saved.steps() == [8, 10, 12] and not list(tmp_path.glob("*.partial"))


class Killed(BaseException):
    """Ends a save where a process would be killed."""


@pytest.fixture
def kill_before():
    """Returns the function (event or None) that says before which event of files to raise."""
    left, hooked = [None], []

    def count(name, arguments):
        if left[0] is not None and name in EVENTS and "step-" in str(arguments[0]):
            left[0] -= 1
            if left[0] == 0:
                left[0] = None
                raise Killed

    def before(event):
        left[0] = event
        if not hooked:
            sys.addaudithook(count)  # for the rest of the process, and silent without a number
            hooked.append(count)

    yield before
    left[0] = None


def test_before_every_event_of_the_file_system(saved, tmp_path, kill_before):
    """A killed save leaves the state before, or the new one, and the next save works."""
    model, outcomes = saved._model, []
    for event in range(1, 100):
        folder = shutil.copytree(tmp_path, tmp_path.with_name(f"killed-{event}"))
        checkpoints = Checkpoints(folder, model)
        fill(model, 10)
        kill_before(event)
        try:
            checkpoints.save(10)
            checkpoints.wait()
            break
        except Killed:
            pass
        finally:
            kill_before(None)
        found = Checkpoints(folder, model)
        outcomes.append(found.restore_latest())
        for value in state(model):
            np.testing.assert_array_equal(value, np.full_like(value, outcomes[-1]))
        found.save(12)
        assert found.steps()[-1] == 12 and len(list(folder.iterdir())) == 3
    assert set(outcomes) == {8, 10} and len(outcomes) > 10
