"""The separation ratio against a hand-made example, explicit loops, and what must not change it."""

import numpy as np
import pytest

from robust_tf.distances import angular_matrix as distances_of
from robust_tf.evaluation import row_blocks
from tla_tf.analysis import separation_ratio
from tla_tf.analysis.separation_ratio import (
    mean_distance,
    separation_ratios,
    within_class_distance,
)

NATURAL = np.array(
    [[1, 0.1, 0], [1, 0.3, 0.1], [0.9, 0, 0.2]]
    + [[0, 1, 0.2], [0.2, 1, 0.1], [0.1, 0.8, 0.4], [0, 1, 0]]
    + [[0, 0.2, 1], [0.3, 0.1, 1]]
)
LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
ADVERSARIAL = np.array(
    [[0.7, 0.6, 0.1], [0.5, 0.9, 0.2], [0.2, 0.5, 0.9], [0.6, 0.2, 0.7], [0.9, 0.4, 0.3]]
)
TRUE = np.array([1, 0, 1, 0, 2])
PREDICTED = np.array([0, 1, 2, 2, 0])
SPREADS = [0.033341, 0.047871, 0.046354]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_ratio_and_companion_of_three_classes():
    ratios = separation_ratios(NATURAL, LABELS, ADVERSARIAL, PREDICTED, 3)
    np.testing.assert_allclose(ratios, [3.558281, 2.159174, 2.524610], atol=1e-5)
    assert np.mean(ratios) == pytest.approx(2.747355, abs=1e-5)
    companion = separation_ratios(NATURAL, LABELS, ADVERSARIAL, TRUE, 3)
    np.testing.assert_allclose(companion, [10.206497, 6.988131, 11.575760], atol=1e-5)


@pytest.mark.parametrize("k", range(3))
def test_distances_equal_their_closed_form_for_nonnegative_entries(k):
    own, others = NATURAL[LABELS == k], ADVERSARIAL[PREDICTED == k]
    n, total = len(own), unit(own).sum(axis=0)
    within = 1 - (total @ total - n) / (n * (n - 1))
    across = 1 - unit(others).mean(axis=0) @ unit(own).mean(axis=0)
    assert within_class_distance(own) == pytest.approx(within, abs=1e-12)
    assert within == pytest.approx(SPREADS[k], abs=1e-6)
    assert mean_distance(others, own) == pytest.approx(across, abs=1e-12)


def test_distances_of_any_sign_equal_explicit_loops(monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 8 * 7 * 2)  # two rows a block
    rows = np.random.default_rng(0).normal(size=(7, 4))
    rows[3] = 0  # a dead embedding has distance 1 to every other
    blocks = []
    monkeypatch.setattr(
        separation_ratio,
        "angular_matrix",
        lambda u, v: blocks.append(len(u)) or distances_of(u, v),
    )
    loop = []
    for i in range(7):
        for j in range(7):
            lengths = np.linalg.norm(rows[i]) * np.linalg.norm(rows[j])
            loop.append(1 - abs(rows[i] @ rows[j]) / lengths if lengths else 1.0)
    distances = np.reshape(loop, (7, 7))
    assert mean_distance(rows, rows) == pytest.approx(np.mean(distances), abs=1e-12)
    pairs = distances[~np.eye(7, dtype=bool)]
    assert within_class_distance(rows) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert max(blocks) == 2 and sum(blocks) == 2 * 7


def test_positive_factors_per_image_change_nothing():
    rng = np.random.default_rng(1)
    scaled = NATURAL * rng.uniform(0.1, 9, (9, 1)), ADVERSARIAL * rng.uniform(0.1, 9, (5, 1))
    before = separation_ratios(NATURAL, LABELS, ADVERSARIAL, PREDICTED, 3)
    after = separation_ratios(scaled[0], LABELS, scaled[1], PREDICTED, 3)
    np.testing.assert_allclose(after, before, rtol=1e-9)


def test_fresh_natural_images_of_the_class_give_one():
    rng = np.random.default_rng(2)
    centres = 3 * rng.uniform(size=(4, 16))
    labels = np.repeat(np.arange(4), 400)
    images = np.abs(centres[labels] + rng.normal(size=(1600, 16)))
    known, fresh = np.arange(1600) % 2 == 0, np.arange(1600) % 2 == 1
    ratios = separation_ratios(images[known], labels[known], images[fresh], labels[fresh], 4)
    np.testing.assert_allclose(ratios, 1, atol=0.05)


def test_classes_without_adversaries_images_or_spread_are_left_out():
    natural = np.array([[1.0, 0], [1, 1], [0, 1], [2, 1], [2, 1], [1, 2], [1, 3]])
    labels = np.array([0, 0, 1, 2, 2, 3, 3])
    adversarial, groups = np.array([[1.0, 2], [1, 2], [1, 2]]), np.array([0, 1, 2])
    ratios = separation_ratios(natural, labels, adversarial, groups, 5)
    np.testing.assert_array_equal(np.isnan(ratios), [False, True, True, True, True])
