"""Negative selection on vectors computed by hand, and never a wrong label."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.distances import cosine_matrix
from tla_tf.defenses.negatives import NegativeSelection, keep_mask, nearest_negative

ANCHORS = tf.constant([[1, 0.2, 0, 0.1], [0, 1, 1, 0], [0.3, 0.1, 1, 0.2]], tf.float32)
LABELS = tf.constant([0, 1, 2])
POOL = tf.constant(
    [
        *([1, 0, 0, 0], [0.2, 1, 0.8, 0], [-0.9, -0.3, 0.1, -0.2]),
        *([0.1, 0, 0.9, 0.4], [0.8, 0.9, 0.1, 0.3], [0, 0.6, 1, 0.1]),
    ],
    tf.float32,
)
POOL_LABELS = tf.constant([0, 1, 1, 2, 2, 0])


def select(selection, anchors, labels, pool, pool_labels, seed=0):
    noise = tf.random.stateless_uniform([len(labels), len(pool_labels)], [seed, 1])
    slots = tf.range(len(labels))
    return selection(anchors, labels, pool, pool_labels, noise=noise, own_slot=slots)


@pytest.mark.parametrize("similarity, expected", [("abs", [2, 5, 5]), ("signed", [4, 5, 5])])
def test_nearest(similarity, expected):
    selection = NegativeSelection("nearest", similarity=similarity)
    index, valid = select(selection, ANCHORS, LABELS, POOL, POOL_LABELS)
    np.testing.assert_array_equal(index, expected)
    assert np.all(valid)


@pytest.mark.parametrize(
    "similarity, mask, expected",
    [("signed", "zero", 0), ("signed", "neg_inf", 2), ("abs", "neg_inf", 1)],
)
def test_zero_mask_of_the_authors_takes_a_wrong_label(similarity, mask, expected):
    anchor = tf.constant([[1.0, 0, 0, 0]])
    pool = tf.constant([[1, 0, 0, 0], [-1, 0.5, 0, 0], [-0.2, 0, 1, 0]], tf.float32)
    cosines = cosine_matrix(anchor, pool)
    np.testing.assert_allclose(cosines, [[1, -0.894427, -0.196116]], atol=1e-5)
    selection = NegativeSelection("nearest", similarity=similarity, mask=mask)
    index, _ = select(selection, anchor, tf.constant([0]), pool, tf.constant([0, 1, 2]))
    np.testing.assert_array_equal(index, [expected])


def test_masked():
    noise = tf.constant(
        [
            [0.1, 0.7, 0.4, 0.9],
            [0.6, 0.95, 0.2, 0.55],
            [0.8, 0.3, 0.99, 0.05],
            [0.45, 0.52, 0.65, 0.75],
        ]
    )
    scores = tf.constant(
        [[0, 0.8, 0.6, 0.9], [0.7, 0, 0.75, 0.2], [0.3, 0.9, 0, 0.5], [0.85, 0.4, 0.95, 0]]
    )
    kept = keep_mask(noise, 0.5, tf.range(4))
    expected = [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 1]]
    np.testing.assert_array_equal(kept, np.array(expected, bool))
    for mask in ("zero", "neg_inf"):
        index, _ = nearest_negative(scores, (scores > 0) & kept, mask)
        np.testing.assert_array_equal(index, [2, 2, 1, 0])
    index, _ = nearest_negative(scores, scores > 0)
    np.testing.assert_array_equal(index, [3, 2, 1, 2])


@pytest.mark.parametrize("kind", ["nearest", "random", "masked"])
def test_a_thousand_batches_without_a_wrong_label(kind):
    """Batches of few classes, one class only, duplicates and collapsed embeddings included."""
    selection, batches = NegativeSelection(kind), []

    def call(one):
        embeddings, labels, noise = one
        batch = embeddings, labels, embeddings, labels
        return selection(*batch, noise=noise, own_slot=tf.range(12))

    random = np.random.default_rng(0)
    for step in range(1000):
        labels = random.integers(0, 1 + step % 5, 12).astype(np.int32)
        embeddings = random.normal(size=[12, 3]).astype(np.float32)
        if step % 7 == 0:
            embeddings[:] = embeddings[0]
        batches.append((embeddings, labels, random.uniform(size=[12, 12]).astype(np.float32)))
    # In one call: each call costs more than the batch.
    many = tuple(map(np.stack, zip(*batches, strict=True)))
    found = tf.function(tf.map_fn)(call, many, fn_output_signature=(tf.int32, tf.bool))
    invalid = 0
    for (_, labels, _), index, valid in zip(batches, *map(np.array, found)):
        chosen = labels[index]
        assert np.all(chosen[valid] != labels[valid])
        if kind != "masked":
            assert np.all(valid == (len(set(labels)) > 1))
        invalid += np.sum(~valid)
    assert invalid > 0  # the degenerate batches were met


def chosen_often(selection, labels):
    """What 400 draws choose among a batch of equal embeddings: (index, valid), [400, batch]."""
    count = len(labels)
    embeddings = tf.zeros([count, 2])
    batch = embeddings, labels, embeddings, labels
    noise = tf.random.stateless_uniform([400, count, count], [0, 1])
    draw = lambda one: selection(*batch, noise=one, own_slot=tf.range(count))
    return tf.function(tf.map_fn)(draw, noise, fn_output_signature=(tf.int32, tf.bool))


def test_random_is_uniform_over_the_other_classes():
    index, _ = chosen_often(NegativeSelection("random"), tf.constant([0, 1, 2, 2]))
    counts = np.bincount(index[:, 0], minlength=4)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:] / 400, 1 / 3, atol=0.08)


def test_random_without_class_check_takes_any_but_the_own_slot():
    """In a batch the own slot is the anchor itself, no negative at all."""
    selection = NegativeSelection("random", class_check=False)
    index, valid = chosen_often(selection, tf.constant([0, 0, 0, 1]))
    assert np.all(valid)
    counts = [np.bincount(column, minlength=4) for column in np.transpose(index)]
    np.testing.assert_allclose(np.array(counts) / 400, (1 - np.eye(4)) / 3, atol=0.08)
