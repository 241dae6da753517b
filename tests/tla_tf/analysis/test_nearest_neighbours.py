"""Nearest neighbours and their vote against explicit loops."""

import numpy as np
import pytest

from robust_tf.evaluation import row_blocks
from tla_tf.analysis import nearest_neighbours as neighbours
from tla_tf.analysis.nearest_neighbours import nearest_neighbours, vote


@pytest.fixture(params=[1, 2**27], ids=["one", "all"])
def blocks(request, monkeypatch):
    """The numbers of queries whose distances are in memory together: one at a time, all at once."""
    found, whole = [], neighbours.angular_matrix
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(
        neighbours, "angular_matrix", lambda u, v: found.append(len(u)) or whole(u, v)
    )
    yield found
    assert found == ([1] * 9 if request.param == 1 else [9])


def brute_force(queries, references, k):
    found = []
    for query in queries:
        cosines = references @ query / np.linalg.norm(references, axis=1) / np.linalg.norm(query)
        distances = 1 - np.abs(cosines)
        order = sorted(range(len(references)), key=lambda i: distances[i])[:k]
        found.append((order, distances[order]))
    return map(np.array, zip(*found, strict=True))


def test_neighbours_equal_brute_force(blocks):
    rng = np.random.default_rng(0)
    queries, references = rng.normal(size=(9, 5)), rng.normal(size=(40, 5))
    indices, distances = nearest_neighbours(queries, references, 7)
    expected_indices, expected_distances = brute_force(queries, references, 7)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(distances, expected_distances, atol=1e-12)


def test_opposite_vectors_are_near_and_the_first_of_equals_is_taken():
    references = np.array([[0.0, 1], [-2, 0], [3, 0]])
    indices, distances = nearest_neighbours(np.array([[1.0, 0]]), references, 2)
    np.testing.assert_array_equal(indices, [[1, 2]])
    np.testing.assert_array_equal(distances, [[0, 0]])


@pytest.mark.parametrize(
    "labels, distances, expected",
    [
        ([2, 2, 0, 1], [0.3, 0.4, 0.1, 0.2], 2),  # most votes
        ([2, 1, 1, 2], [0.1, 0.2, 0.25, 0.3], 2),  # a tie: 0.4 against 0.45
        ([2, 1, 1, 2], [0.1, 0.2, 0.3, 0.5], 1),  # a tie: 0.6 against 0.5
        ([2, 1, 1, 2], [0.25, 0.25, 0.5, 0.5], 1),  # nothing decides but the label
        ([1, 0, 0, 1, 2], [0.3, 0.3, 0.3, 0.3, 0.0], 0),  # the nearest class has too few votes
    ],
)
def test_vote_and_its_ties(labels, distances, expected):
    assert vote(np.array([labels]), np.array([distances])) == [expected]


@pytest.mark.parametrize("classes", [3, 30_000])
def test_votes_against_a_count_of_each_class(classes):
    """A table of all classes for all queries would take gigabytes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes - 3, classes, (3_000, 5)).astype(np.int32)
    distances = rng.integers(0, 3, labels.shape) / np.float32(4)
    found = vote(labels, distances)
    for row in range(0, len(labels), 100):
        of_class = {
            label: (-np.sum(own := labels[row] == label), np.sum(distances[row][own]), label)
            for label in labels[row]
        }
        assert found[row] == min(of_class, key=of_class.get)
