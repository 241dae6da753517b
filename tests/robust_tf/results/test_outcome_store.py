from types import SimpleNamespace

import numpy as np
import pytest

from robust_tf.results.cache import OutcomeStore, examples_hash

IDENTITY = {"attack": "pgd20", "weights_hash": "ab"}
FIRST, SECOND = np.array([True, False]), np.array([False])


@pytest.fixture
def stored(tmp_path):
    store = OutcomeStore(tmp_path, IDENTITY)
    store[0, 0], store[1, 3] = FIRST, SECOND
    assert store.added == 2
    return store


def test_outcomes_come_back(stored, tmp_path):
    again = OutcomeStore(tmp_path, dict(reversed(IDENTITY.items())))
    assert (0, 0) in again and (1, 3) in again and (0, 3) not in again
    np.testing.assert_array_equal(again[0, 0], FIRST)
    assert again[1, 3].dtype == bool and again.added == 0


def test_values_come_back_to_the_last_digit(tmp_path):
    values = np.random.default_rng(0).normal(size=[5, 3]).astype(np.float32)
    OutcomeStore(tmp_path, IDENTITY, kind=float)[0, 7] = values
    found = OutcomeStore(tmp_path, IDENTITY, kind=float)[0, 7]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


def test_other_weights_find_nothing_and_fresh_forgets(stored, tmp_path):
    assert (0, 0) not in OutcomeStore(tmp_path, {**IDENTITY, "weights_hash": "cd"})
    assert (0, 0) not in OutcomeStore(tmp_path, IDENTITY, fresh=True)
    assert not stored.path.exists()


def test_nothing_is_written_before_the_first_outcome(tmp_path):
    OutcomeStore(tmp_path / "evaluation", IDENTITY)
    assert not (tmp_path / "evaluation").exists()


def test_a_line_that_was_cut_off_is_left_out_and_does_not_swallow_the_next(stored, tmp_path):
    stored.path.write_text(stored.path.read_text()[:-7])
    with pytest.warns(UserWarning, match="line 3 was cut off"):
        torn = OutcomeStore(tmp_path, IDENTITY)
    assert (0, 0) in torn and (1, 3) not in torn
    torn[1, 3] = SECOND
    with pytest.warns(UserWarning, match="line 3 was cut off"):
        mended = OutcomeStore(tmp_path, IDENTITY)
    assert (0, 0) in mended and (1, 3) in mended


def test_the_hash_of_examples_depends_on_images_and_labels():
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    labels = np.array([0, 1, 2])
    files = np.array([image.tobytes() for image in images], object)
    base = SimpleNamespace(images=images, labels=labels)
    others = [
        SimpleNamespace(images=images + 1, labels=labels),
        SimpleNamespace(images=images, labels=labels[::-1]),
    ]
    assert examples_hash(base) == examples_hash(SimpleNamespace(images=files, labels=labels))
    assert len({examples_hash(some) for some in [base, *others]}) == 3
