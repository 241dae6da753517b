from types import SimpleNamespace

import numpy as np
import pytest

from robust_tf.results import jsonl
from robust_tf.results.cache import ResultsCache, examples_hash

IDENTITY = {"attack": "pgd20", "weights_hash": "ab"}


@pytest.fixture
def stored(tmp_path):
    cache = ResultsCache(6, tmp_path, IDENTITY)
    cache.add(0, [4, 1], {"correct": np.array([True, False]), "value": np.float32([0.1, 1e-9])})
    cache.add(2, [5], {"correct": np.array([False]), "value": np.float32([3])})
    return cache


def test_outputs_come_back_to_the_last_digit(stored, tmp_path):
    again = ResultsCache(6, tmp_path, dict(reversed(IDENTITY.items())))
    assert again.known(0, np.arange(6)).tolist() == [False, True, False, False, True, False]
    assert again.known(1, [5]).tolist() == [False] and again.known(2, [5]).tolist() == [True]
    found = again.get(0, [1, 4])
    np.testing.assert_array_equal(found["correct"], [False, True], strict=True)
    np.testing.assert_array_equal(found["value"], np.float64(np.float32([1e-9, 0.1])), strict=True)
    np.testing.assert_array_equal(found["value"], stored.get(0, [1, 4])["value"], strict=True)
    assert (stored.added, again.added) == (3, 0)


def test_other_weights_find_nothing_and_fresh_forgets(stored, tmp_path):
    assert not ResultsCache(6, tmp_path, {**IDENTITY, "weights_hash": "cd"}).known(0, [4]).any()
    assert not ResultsCache(6, tmp_path, IDENTITY, fresh=True).known(0, [4]).any()
    assert not list(tmp_path.glob("*"))


def test_nothing_is_written_before_the_first_output_or_without_a_folder(tmp_path):
    ResultsCache(6, tmp_path / "evaluation", IDENTITY)
    in_memory = ResultsCache(6)
    in_memory.add(0, [3], {"embedding": np.float32([[1, 2]])})
    assert in_memory.get(0, [3])["embedding"].dtype == np.float32
    assert not list(tmp_path.glob("*"))


def test_a_line_that_was_cut_off_is_left_out_and_does_not_swallow_the_next(stored, tmp_path):
    (path,) = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text()[:-7])
    with pytest.warns(UserWarning, match="line 3 was cut off"):
        torn = ResultsCache(6, tmp_path, IDENTITY)
    assert torn.known(0, [4]).all() and not torn.known(2, [5]).any()
    torn.add(2, [5], {"correct": np.array([True]), "value": np.float32([3])})
    with pytest.warns(UserWarning, match="line 3 was cut off"):
        mended = ResultsCache(6, tmp_path, IDENTITY)
    assert mended.known(0, [1, 4]).all() and mended.get(2, [5])["correct"].all()


@pytest.mark.parametrize("row", [10**9, -1, "x", 1.0])
def test_rows_that_are_of_no_image_are_left_out(row, stored, tmp_path):
    (path,) = tmp_path.glob("*.jsonl")
    jsonl.append(path, [{"restart": 0, "rows": [row], "correct": [True]}])
    cache = ResultsCache(None, tmp_path, IDENTITY)
    assert cache.count == 6 and cache.known(0, np.arange(6)).sum() == 2
    stored.add(0, [0], {"correct": np.array([True]), "value": np.float32([1])})
    assert stored.known(0, np.arange(6)).sum() == 3


def test_two_processes_store_nothing_twice(stored, tmp_path):
    """The other one began when nothing was stored, and does the same work."""
    (path,) = tmp_path.glob("*.jsonl")
    content = path.read_text()
    path.unlink()
    other = ResultsCache(6, tmp_path, IDENTITY)
    path.write_text(content)
    other.add(0, [4, 1], {"correct": np.array([True, False]), "value": np.float32([0.1, 1e-9])})
    assert path.read_text() == content
    assert other.known(2, [5]).all()
    other.add(0, [2], {"correct": np.array([True]), "value": np.float32([7])})
    stored.add(0, [3, 2], {"correct": np.array([False, True]), "value": np.float32([8, 7])})
    assert [line.get("rows") for line in jsonl.read(path)] == [None, [4, 1], [5], [2], [3]]
    assert stored.get(0, [2])["value"] == 7


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
