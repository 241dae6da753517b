"""The samplers on six points of the unit circle, and never a wrong label."""

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.triplets import SAMPLING_MODES, SYMBOLS
from hm_tf.triplets.pair_batch import PairBatch
from hm_tf.triplets.triplet_sampler import Triplets, TripletSampler

ANGLES = np.radians([0, 30, 20, 36, 150, 165])
EMBEDDINGS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LABELS = np.array([0, 0, 1, 1, 2, 2], np.int32)
OTHERS = [{2, 3, 4, 5}, {0, 1, 4, 5}, {0, 1, 2, 3}]
PARTNERS = [{1}, {3}, {5}]
ADMISSIBLE = [
    ("random", "fixed", PARTNERS, OTHERS),
    ("semihard", "fixed", PARTNERS, [{3}, {0}, {0, 1, 2, 3}]),
    ("softhard", "compat", [{1}, {3}, {4, 5}], [{2}, {1}, {0, 1, 2, 3}]),
    ("softhard", "fixed", PARTNERS, [{2}, {1}, {0, 1, 2, 3}]),
    ("hardest", "fixed", PARTNERS, [{2}, {1}, {3}]),
]
PROBABILITIES = {
    2: [
        [0, 0, 0.423535, 0.409020, 0.111310, 0.056135],
        [0.364160, 0.368371, 0, 0, 0.156275, 0.111194],
        [0.149946, 0.289674, 0.244843, 0.315536, 0, 0],
    ],
    8: [
        [0, 0, 0.564907, 0.021175, 0.015209, 0.398709],
        [0.016646, 0.983069, 0, 0, 0.000057, 0.000228],
        [0.797213, 0.057041, 0.100652, 0.045095, 0, 0],
    ],
    512: [[0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]],
}


def sets(mask):
    return [set(np.flatnonzero(row)) for row in np.asarray(mask)]


def noise(pairs, images, seed=0):
    return np.random.default_rng(seed).uniform(size=[pairs, images, 2]).astype(np.float32)


def draw_many(sampler, embeddings, draws):
    """Positives and negatives of many draws, int32 [draws, 2, 3]."""
    many = noise(draws * 3, 6).reshape(draws, 3, 6, 2)
    draw = lambda one: tf.stack(sampler(tf.constant(embeddings), tf.constant(LABELS), one)[1:3])
    return tf.function(tf.map_fn)(draw, many, fn_output_signature=tf.int32).numpy()


def test_pair_batch():
    pairs = PairBatch.of(tf.constant(EMBEDDINGS), tf.constant(LABELS))
    expected = [
        [0, 0.517638, 0.347296, 0.618034, 1.931852, 1.982890],
        [0.347296, 0.174311, 0, 0.278346, 1.812616, 1.907434],
        [1.931852, 1.732051, 1.812616, 1.677341, 0, 0.261052],
    ]
    np.testing.assert_allclose(pairs.distance, expected, atol=1e-6)
    assert sets(pairs.same) == [{0, 1}, {2, 3}, {4, 5}]
    assert (sets(pairs.anchor), sets(pairs.partner)) == ([{0}, {2}, {4}], PARTNERS)


@pytest.mark.parametrize("name, mode, positives, negatives", ADMISSIBLE)
def test_admissible_sets(name, mode, positives, negatives):
    sampler = TripletSampler(name, mode=mode)
    pairs = PairBatch.of(tf.constant(EMBEDDINGS), tf.constant(LABELS))
    assert sets(sampler.positives(pairs)) == positives
    probabilities = sampler.negatives(pairs, 2).numpy()
    assert sets(probabilities) == negatives
    for row, negative in zip(probabilities, negatives):
        np.testing.assert_allclose(row[row > 0], 1 / len(negative))


@pytest.mark.parametrize("name, mode, positives, negatives", ADMISSIBLE)
def test_draws_are_uniform_over_the_admissible_sets(name, mode, positives, negatives):
    sampler = TripletSampler(name, mode=mode)
    draws = 600
    drawn = draw_many(sampler, EMBEDDINGS, draws)
    for kind, admissible in enumerate((positives, negatives)):
        for row, allowed in enumerate(admissible):
            counts = np.bincount(drawn[:, kind, row], minlength=6)
            assert set(np.flatnonzero(counts)) == allowed
            spread = 4.5 * np.sqrt(draws / len(allowed))
            assert np.all(np.abs(counts[list(allowed)] - draws / len(allowed)) < spread)


@pytest.mark.parametrize("dimension", PROBABILITIES)
@pytest.mark.parametrize("mode", SAMPLING_MODES)
def test_distance_weighted_probabilities(dimension, mode):
    pairs = PairBatch.of(tf.constant(EMBEDDINGS), tf.constant(LABELS))
    found = TripletSampler("distance", mode=mode).negatives(pairs, dimension)
    np.testing.assert_allclose(found, PROBABILITIES[dimension], atol=2e-6)


def test_distance_weighted_draws():
    sampler = TripletSampler("distance")
    draws = 2000
    drawn = draw_many(sampler, np.pad(EMBEDDINGS, [(0, 0), (0, 6)]), draws)[:, 1]
    for row, expected in enumerate(PROBABILITIES[8]):
        shares = np.bincount(drawn[:, row], minlength=6) / draws
        np.testing.assert_allclose(shares, expected, atol=0.045)
        assert np.all(shares[np.array(expected) == 0] == 0)


@pytest.fixture(scope="module")
def batches():
    """A thousand: one class only, duplicates and collapsed embeddings included."""
    batches, random = [], np.random.default_rng(0)
    for step in range(1000):
        labels = np.repeat(random.integers(0, 1 + step % 6, 6), 2).astype(np.int32)
        embeddings = random.normal(size=[12, 4]).astype(np.float32)
        if step % 7 == 0:
            embeddings[:] = embeddings[0]
        if step % 5 == 0:
            embeddings[6:] = embeddings[:6]
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        batches.append((embeddings, labels, noise(6, 12, step)))
    return batches


@pytest.mark.parametrize("mode", SAMPLING_MODES)
@pytest.mark.parametrize("name", SYMBOLS)
def test_a_thousand_batches_without_a_wrong_label(batches, name, mode):
    """Compat may err with one class, duplicates and collapsed embeddings alone."""
    sampler = TripletSampler(name, mode=mode)
    # In one call: each call costs more than the batch.
    types = Triplets(tf.int32, tf.int32, tf.int32, tf.bool)
    many = tuple(map(np.stack, zip(*batches, strict=True)))
    found = tf.function(tf.map_fn)(lambda one: sampler(*one), many, fn_output_signature=types)
    for step, ((_, labels, _), *triplets) in enumerate(zip(batches, *map(np.array, found))):
        anchor, positive, negative, valid = triplets
        assert np.all(anchor == np.arange(0, 12, 2))
        assert np.all(labels[positive] == labels[anchor])
        several, regular = len(set(labels)) > 1, bool(step % 7 and step % 5)
        assert np.all(valid == (several or mode == "compat"))
        if several and (regular or name != "distance" or mode == "fixed"):
            assert np.all(labels[negative] != labels[anchor])
        if mode == "fixed":
            assert np.all(positive != anchor)


def test_semihard_compares_with_the_positive_that_takes_the_place_of_a_wrong_partner():
    """The positive of the first anchor lies at 10 degrees, the only negative just beyond at 12.

    Beyond its partner, of another class, at 90 degrees, are those at 95 and 100.
    """
    angles = np.radians([0, 90, 10, 100, 12, 95])
    embeddings = tf.constant(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    labels = tf.constant([0, 1, 0, 1, 1, 2])
    for seed in range(20):
        triplets = TripletSampler("semihard")(embeddings, labels, noise(3, 6, seed))
        assert [part.numpy()[0] for part in triplets] == [0, 2, 4, True]


def test_compat_falls_back_on_any_image():
    one_class = tf.zeros([6], tf.int32)
    for name in SYMBOLS:
        sampler = TripletSampler(name, mode="compat")
        pairs = PairBatch.of(tf.constant(EMBEDDINGS), one_class)
        np.testing.assert_allclose(sampler.negatives(pairs, 2), np.full([3, 6], 1 / 6))
        assert sets(sampler.positives(pairs)) == PARTNERS


def test_no_gradient_and_bad_names():
    with tf.GradientTape() as tape:
        embeddings = tf.Variable(EMBEDDINGS)
        distance = PairBatch.of(embeddings, LABELS).distance
    assert tape.gradient(distance, embeddings) is None
    with pytest.raises(ValueError, match="semihard"):
        TripletSampler("easy")
    with pytest.raises(ValueError, match="compat"):
        TripletSampler("random", mode="other")
