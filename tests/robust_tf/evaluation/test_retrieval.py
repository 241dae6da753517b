"""Retrieval metrics on a worked example and against a plain sort."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from robust_tf.evaluation import retrieval, row_blocks
from robust_tf.evaluation.retrieval import clustering_nmi, retrieve

ANGLES = np.radians([0, 10, 40, 77, 17, 49, 57, 89, 22, 79, 106, 131])
E12 = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LABELS = np.repeat([0, 1, 2], 4)


def brute_force(embeddings, labels, queries):
    """(first hit, AP, MAP@R, MAP@10) of each query from a sort, wrong images first among equals."""
    rows = []
    for own, query in enumerate(queries):
        distance = 1.0 - embeddings @ query
        distance[own] = np.inf
        right = labels == labels[own]
        right[own] = False
        if not right.any():
            continue
        order = sorted(range(len(labels)), key=lambda i: (distance[i], right[i]))
        relevant = right[order]
        precision = np.cumsum(relevant) / np.arange(1, len(labels) + 1) * relevant
        count = relevant.sum()
        at = lambda r: precision[:r].sum() / r
        rows.append((np.argmax(relevant), precision.sum() / count, at(count), at(10)))
    return np.array(rows, np.float64).T


def check(embeddings, labels, queries=None):
    found = retrieve(embeddings, labels, queries)
    queries = embeddings if queries is None else queries
    np.testing.assert_allclose(found, brute_force(embeddings, labels, queries), atol=1e-12)
    return found


def test_worked_example():
    found = check(E12, LABELS)
    np.testing.assert_array_equal(found.first_hit, [0, 1, 4, 5, 4, 0, 0, 3, 7, 3, 1, 0])
    precision = [0.642857, 0.476190, 0.302778, 0.213131, 0.288889, 0.569444]
    precision += [0.609524, 0.327778, 0.199242, 0.303571, 0.513889, 0.680556]
    np.testing.assert_allclose(found.average_precision, precision, atol=2e-6)
    at_10 = [0.192857, 0.142857, 0.090833, 0.036667, 0.086667, 0.170833]
    at_10 += [0.182857, 0.098333, 0.032500, 0.091071, 0.154167, 0.204167]
    np.testing.assert_allclose(found.map_at_10, at_10, atol=2e-6)
    means = [np.mean(x) for x in (found.recall_at(1), found.recall_at(2), *found[1:])]
    expected = [0.333333, 0.5, 0.427321, 0.175926, 0.123651]
    np.testing.assert_allclose(means, expected, atol=2e-6)


@pytest.mark.parametrize("block_bytes", [1, 2**27])
@pytest.mark.parametrize("many", [1, 32])
def test_against_a_sort(block_bytes, many, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(retrieval, "MANY_POSITIVES", many)
    random = np.random.default_rng(0)
    embeddings = random.normal(size=[60, 5])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = random.integers(0, 7, 60)
    check(embeddings, labels)
    moved = np.roll(embeddings, 1, axis=1)
    check(embeddings, labels, moved)


def test_ties_and_duplicates():
    """Unit vectors of exact coordinates: their products are exact too."""
    random = np.random.default_rng(0)
    embeddings = random.choice([-0.5, 0.5], size=[50, 4]).astype(np.float32)
    check(embeddings, random.integers(0, 4, 50))


def test_a_collapsed_network_finds_nothing():
    found = check(np.tile([[0.5, 0.5, 0.5, 0.5]], [12, 1]), LABELS)
    assert found.recall_at(1).sum() == 0
    np.testing.assert_array_equal(found.first_hit, np.full(12, 8))


def test_one_image_of_a_class_is_left_out():
    found = check(E12, np.array([5, *LABELS[1:]]))
    assert len(found.first_hit) == 11
    with pytest.raises(ValueError, match="two images"):
        retrieve(E12, np.arange(12))
    with pytest.raises(ValueError, match="finite"):
        retrieve(E12 * np.nan, LABELS)


def test_nmi():
    """The definition (arithmetic mean), a perfect clustering, and one that tells nothing."""
    assigned = [0, 0, 1, 2, 0, 1, 1, 2, 0, 2, 2, 2]
    assert normalized_mutual_info_score(LABELS, assigned) == pytest.approx(0.181019, abs=2e-6)
    far_apart = np.eye(3)[LABELS] + np.random.default_rng(0).normal(0, 0.01, [12, 3])
    scores = [clustering_nmi(far_apart, LABELS, seed) for seed in range(8)]
    assert max(scores) == pytest.approx(1.0)
    assert clustering_nmi(far_apart, LABELS, 3) == scores[3]


def test_a_long_search_shows_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 1)
    monkeypatch.setattr(retrieval, "SOON", 1e-9)
    for progress in (False, True):
        retrieve(E12, LABELS, progress=progress)
        assert ("retrieval: 100%" in capsys.readouterr().err) == progress
