import numpy as np
import pytest
import tensorflow as tf

from hm_tf.ranking_attacks import registry
from hm_tf.ranking_attacks.gallery import Gallery
from hm_tf.ranking_attacks.neighbours import Search, count_nearer, find, nearest, nearest_items
from hm_tf.ranking_attacks.own_item import own_item, recall_at_one
from hm_tf.ranking_attacks.random_items import near_count
from robust_tf.evaluation.retrieval import retrieve

BLOCKS = pytest.mark.parametrize("block", [1, 7, 20, 40, 1000])


@BLOCKS
def test_neighbours_are_those_of_a_plain_sort(points, block):
    vectors, labels = points
    gallery = Gallery(vectors, labels, block=block)
    queries = np.roll(vectors, 1, axis=0) + 0.1
    left_out = np.stack([np.arange(40), np.arange(40)[::-1]], axis=1).astype(np.int32)
    distances = np.linalg.norm(queries[:, None] - vectors, axis=2)
    np.put_along_axis(distances, left_out, np.inf, axis=1)
    order = np.argsort(distances, axis=1, kind="stable")
    arguments = gallery, tf.constant(queries), tf.constant(left_out)
    np.testing.assert_array_equal(nearest_items(*arguments, 9), order[:, :9])
    np.testing.assert_array_equal(nearest(*arguments)[0], order[:, 0])
    np.testing.assert_array_equal(find(*arguments, Search(farthest=True))[0][0], order[:, 37])
    limit = np.sort(distances, axis=1)[:, 11]
    np.testing.assert_array_equal(count_nearer(*arguments, tf.constant(limit + 1e-9)), [12] * 40)
    same = labels[:, None] == labels
    expected = np.where(same, distances, np.inf).argmin(axis=1)
    found = nearest(*arguments, lambda b: b.labels == tf.constant(labels, tf.int64)[:, None])
    np.testing.assert_array_equal(found[0], expected)


def run(attack, vectors, labels, block):
    """Everything that the attack computes for all items, moved to their neighbours' places."""
    gallery, rows = Gallery(vectors, labels, block=block), tf.range(len(vectors))
    chosen = attack.select(gallery, rows, tf.constant([3, 4]))
    moved = tf.constant(0.7 * vectors + 0.3 * np.roll(vectors, 3, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(moved)
        cost = attack.cost(gallery, rows, chosen)(moved)
    measured = attack.measure(moved, gallery, rows, chosen)
    return *chosen, cost, tape.gradient(cost, moved), *measured


@pytest.mark.parametrize("mode", ["compat", "fixed"])
@pytest.mark.parametrize("name", registry.NAMES)
def test_block_size_changes_nothing(points, name, mode):
    attack = registry.get(name, mode)
    whole = run(attack, *points, block=40)
    for block in (7, 19):
        for blocked, expected in zip(run(attack, *points, block=block), whole, strict=True):
            np.testing.assert_allclose(blocked, expected, rtol=0, atol=1e-12)


def test_a_nearly_collapsed_gallery_keeps_its_distances():
    """In float32, all items within 1e-3: not the squares of 1 are subtracted."""
    generator = np.random.default_rng(0)
    vectors = np.eye(6)[0] + 1e-3 * generator.normal(size=[30, 6])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    gallery = Gallery(vectors, np.zeros(30))
    exact = vectors.astype(np.float64)
    expected = np.linalg.norm(exact[:, None] - exact, axis=2)
    expected[np.arange(30), np.arange(30)] = 0
    found = gallery.distances(tf.range(30)).numpy()
    off = ~np.eye(30, dtype=bool)
    np.testing.assert_allclose(found[off], expected[off], rtol=1e-3)


def test_own_item_where_the_gallery_holds_an_embedding_twice(points):
    vectors, labels = points
    vectors = vectors.copy()
    vectors[25] = vectors[8]
    gallery = Gallery(vectors.astype(np.float32), labels)
    rows = tf.constant([8, 25, 30])
    np.testing.assert_array_equal(own_item(gallery, rows, "fixed"), [8, 25, 30])
    np.testing.assert_array_equal(own_item(gallery, rows, "compat"), [8, 8, 30])


def test_recall_is_that_of_the_evaluation(points):
    vectors, labels = points
    moved = np.roll(vectors, 2, axis=0) + 0.3 * np.roll(vectors, 11, axis=0)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    rows = tf.range(40)
    found = recall_at_one(tf.constant(moved), Gallery(vectors, labels, block=9), rows, rows)
    expected = retrieve(vectors, labels, queries=moved).recall_at(1)
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected.mean() < 1


def test_near_items_are_those_of_the_paper():
    """CUB, CARS, SOP and 28 px; at least one item."""
    sizes = {5924: 59, 8131: 81, 60502: 605, 10000: 100, 8100: 81, 100: 1, 12: 1}
    assert {size: near_count(size) for size in sizes} == sizes
