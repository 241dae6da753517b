import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.ranking_attacks.gallery import Gallery
from hm_tf.ranking_attacks.query_attack import QueryDown, QueryUp

# candidate, degrees -> J+, J-, rank
VECTORS = {
    (10, 49): (0.420505, 0.029817, 0.833333),
    (10, 43): (0.495797, 0.028693, 0.833333),
    (10, 30): (0.624946, 0.025994, 0.833333),
    (6, 49): (0.011626, 0.435743, 0.083333),
    (6, 43): (0.027538, 0.361693, 0.166667),
    (6, 30): (0.093069, 0.258550, 0.416667),
    (0, 49): (0.316395, 0.050639, 0.750000),
    (0, 43): (0.239839, 0.084731, 0.666667),
    (0, 30): (0.118443, 0.233176, 0.500000),
}
BOTH = pytest.mark.parametrize("attack", [QueryUp(), QueryDown()], ids=lambda a: a.name)


@pytest.mark.parametrize("mode", ["compat", "fixed"])
@pytest.mark.parametrize("candidate, degrees", VECTORS)
def test_twelve_items(example, candidate, degrees, mode):
    up, down, rank = VECTORS[candidate, degrees]
    np.testing.assert_allclose(example(QueryUp(mode), [candidate], degrees), [up, rank], atol=2e-6)
    np.testing.assert_allclose(
        example(QueryDown(mode), [candidate], degrees), [down, rank], atol=2e-6
    )


def gradient_of(attack, gallery, moved, rows, chosen):
    with tf.GradientTape() as tape:
        tape.watch(moved)
        cost = attack.cost(gallery, rows, chosen)(moved)
    return tape.gradient(cost, moved)


def naive_gradient(sign, vectors, moved, candidate):
    """sum_j 1[sign (d_c - d_j) > 0] sign (u_c - u_j) / n; u is 0 at a distance below 1e-6."""
    differences = moved - vectors
    distances = np.linalg.norm(differences, axis=1)
    far = distances >= 1e-6
    unit = np.where(far[:, None], differences / np.where(far, distances, 1)[:, None], 0)
    positive = sign * (distances[candidate] - distances) > 0
    return sign * (unit[candidate] - unit)[positive].sum(axis=0) / len(vectors)


@BOTH
@pytest.mark.parametrize("shift", [0.0, 1e-8, 1e-4, 0.3])
def test_gradient_near_the_clean_copy(points, attack, shift):
    """float32, as far from the query's own copy as it is at the start, or a little later."""
    vectors, labels = points
    gallery = Gallery(vectors.astype(np.float32), labels, block=7)
    rows, candidate = tf.range(40), (7 * tf.range(40) + 3) % 40
    directions = np.random.default_rng(0).normal(size=vectors.shape)
    moved = vectors.astype(np.float32).astype(np.float64) + shift * directions
    gradient = gradient_of(attack, gallery, tf.constant(moved, tf.float32), rows, (candidate,))
    expected = [
        naive_gradient(attack.sign, vectors, *pair) for pair in zip(moved, candidate.numpy())
    ]
    # The place at 1e-4 is itself only known to 1e-7 in float32.
    np.testing.assert_allclose(gradient, expected, atol=1e-4 if shift == 1e-4 else 2e-6)


@BOTH
def test_one_walk_through_the_gallery_gives_the_gradient_of_the_value(points, attack):
    """Against central differences, in float64."""
    vectors, labels = points
    gallery = Gallery(vectors, labels, block=7)
    rows, chosen = tf.constant([4, 11]), (tf.constant([30, 12]),)
    moved = tf.constant(vectors[[5, 20]] + 0.01)
    cost = attack.cost(gallery, rows, chosen)
    gradient = gradient_of(attack, gallery, moved, rows, chosen)
    for place in range(6):
        step = tf.one_hot([place] * 2, 6, on_value=tf.constant(1e-6, tf.float64))
        numeric = (cost(moved + step) - cost(moved - step)) / 2e-6
        np.testing.assert_allclose(gradient[:, place], numeric, atol=1e-8)


def test_a_compiled_attack_is_freed_with_its_gallery(points):
    """TensorFlow's registry of gradients is for good."""

    def attacked():
        rows, gallery = tf.range(40), Gallery(*points)
        compiled = tf.function(
            lambda moved: gradient_of(QueryUp(), gallery, moved, rows, (rows,)), autograph=False
        )
        compiled(gallery.vectors(rows))
        return weakref.ref(gallery)

    gallery = attacked()
    gc.collect()
    assert gallery() is None


def test_a_candidate_that_is_first_already_leaves_no_gradient(points):
    vectors, labels = points
    gallery = Gallery(vectors.astype(np.float32), labels)
    rows = tf.range(40)
    nearby = gallery.vectors(rows) + 0.001
    for moved in (gallery.vectors(rows), nearby):
        assert not np.any(gradient_of(QueryUp(), gallery, moved, rows, (rows,)))


def test_query_is_its_own_candidate(points):
    vectors, labels = points
    gallery = Gallery(vectors, labels)
    rows = tf.range(40)
    (rank,) = QueryUp().measure(gallery.vectors(rows), gallery, rows, (rows,))
    assert np.all(rank == 0)


@pytest.mark.parametrize("attack", [QueryUp("fixed"), QueryDown("fixed")], ids=lambda a: a.name)
def test_where_candidates_are_drawn_from(attack):
    """QA-: from the K = floor(0.01 n) nearest, for n = 300 the 3 nearest; QA+: from everywhere."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=[300, 6])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery(vectors, np.zeros(300, int), block=70)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    rank = np.argsort(np.argsort(distances, axis=1), axis=1)
    key = tf.constant([1, 2])
    (chosen,) = attack.select(gallery, tf.range(300), key)
    ranks = rank[np.arange(300), chosen]
    if attack.name == "QA-":
        assert set(ranks) == {1, 2, 3}
    else:
        assert ranks.max() > 280 and len(set(np.array(chosen))) > 150
    (some,) = attack.select(gallery, tf.constant([250, 3]), key)
    np.testing.assert_array_equal(some, tf.gather(chosen, [250, 3]))
