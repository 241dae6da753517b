"""Checkpoints: whole or not at all, the last three, and past a torn one."""

import keras
import numpy as np
import pytest

from robust_tf.runs.checkpoints import Checkpoints


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
    return checkpoints


def test_the_last_three_are_kept(saved, tmp_path):
    assert saved.steps() == [4, 6, 8]
    assert not list(tmp_path.glob("*.partial"))


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


def test_if_all_are_torn_the_model_is_as_before(saved, tmp_path):
    for folder in tmp_path.glob("step-*"):
        data = next(folder.glob("*.data-*"))
        data.write_bytes(data.read_bytes()[:-30])
    fresh = make_model()
    before = state(fresh)
    with pytest.warns(UserWarning, match="the one before"):
        assert Checkpoints(tmp_path, fresh).restore_latest() == 0
    for value, expected in zip(state(fresh), before):
        np.testing.assert_array_equal(value, expected)


def test_a_killed_write_is_no_checkpoint(saved, tmp_path):
    (tmp_path / "step-00000010.partial").mkdir()
    assert saved.restore_latest() == 8
    saved.save(10)
    assert saved.steps() == [6, 8, 10]
