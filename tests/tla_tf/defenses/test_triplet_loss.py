"""Vectors computed by hand in float64 for the terms of equation (1) and of the authors' code."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.training.adversarial_model import weighted_total
from tla_tf.defenses.adversarial_logit_pairing import pairing
from tla_tf.defenses.triplet_loss import (
    Triplet,
    angular_triplet,
    hardness_objective,
    mean_of_squares,
    sum_of_norms,
    triplet_terms,
)

A = tf.constant([[1, 2, 0, -1], [0.5, -1, 2, 1], [3, 0, 1, 1]], tf.float32)
P = tf.constant([[2, 1, 1, 0], [1, -2, 3, 2], [-3, 0.5, -1, -0.5]], tf.float32)
N = tf.constant([[0, 1, 3, 1], [0.5, -1, 1, 2], [0, 2, 1, -1]], tf.float32)
P1 = tf.constant([[1, 1, 0, -2], [0, -1, 1, 1], [2, 1, 1, 1]], tf.float32)
Z = tf.constant(
    [[2, 0.5, -1, 0, 1], [0.1, 3, 0.2, -2, 2.5], [-1, 0, 1, 2, 3], [60, 0, -5, 1, 2]], tf.float32
)
Y = tf.constant([0, 1, 3, 0])
ALL = tf.constant([True, True, True])


@pytest.mark.parametrize(
    "margin, expected",
    [(0.03, [0, 0, 0]), (0.5, [0, 0.350051, 0]), (0.8, [0.256425, 0.650051, 0])],
)
def test_triplet_vectors(margin, expected):
    np.testing.assert_allclose(angular_triplet(A, P, N, margin), expected, atol=1e-5)


def test_switched_anchor():
    expected = [0.325699, 0.405719, 0]
    np.testing.assert_allclose(angular_triplet(P, A, N, 0.5), expected, atol=1e-5)


def test_triplet_is_zero_exactly_where_the_margin_holds():
    loss = angular_triplet(A, P, N, 0.5)
    distance = lambda u, v: (
        1 - abs(np.sum(u * v, 1)) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    )
    a, p, n = (t.numpy().astype("float64") for t in (A, P, N))
    np.testing.assert_array_equal(loss.numpy() == 0, distance(a, p) + 0.5 <= distance(a, n))


def test_norm_terms():
    np.testing.assert_allclose(sum_of_norms(A, P, N), [8.215604, 9.242641, 9.006485], atol=1e-5)
    np.testing.assert_allclose(np.mean(mean_of_squares(A, P, N)), 6.75, atol=1e-5)
    np.testing.assert_allclose(np.mean(mean_of_squares(A, P1, N)), 5.208333, atol=1e-5)


def test_pairing():
    np.testing.assert_allclose(pairing(P, A), [4, 3.25, 42.5], atol=1e-5)
    np.testing.assert_allclose(pairing(P, A, "mean"), [1, 0.8125, 10.625], atol=1e-5)


def test_cross_entropy():
    expected = [0.574438, 0.547602, 1.451914, 0.0]
    np.testing.assert_allclose(cross_entropy(Z, Y), expected, atol=1e-5)
    smooth = [0.724438, 0.771602, 1.551914, 4.84]
    np.testing.assert_allclose(cross_entropy(Z, Y, 0.1), smooth, atol=1e-5)


@pytest.mark.parametrize("reduction, expected", [("mean", 1.100173), ("sum", 3.300520)])
def test_total_of_the_paper(reduction, expected):
    triplet, norm = triplet_terms([Triplet(A, P, N, 0.5, ALL)])
    terms = {"cross_entropy": cross_entropy(Z[:3], Y[:3]), "triplet": triplet, "norm": norm}
    total = weighted_total(terms, {"cross_entropy": 1, "triplet": 2, "norm": 0.001}, reduction)
    np.testing.assert_allclose(total, expected, atol=1e-5)


def test_total_of_the_authors_code():
    triplets = [Triplet(A, P, N, 0.5, ALL), Triplet(A, P1, N, 0.5, ALL)]
    triplet, norm = triplet_terms(triplets, "mean_sq")
    terms = {
        "cross_entropy": cross_entropy(Z[:3], Y[:3]),
        "triplet": triplet,
        "norm": norm,
        "pairing": pairing(A, P),
    }
    weights = {"cross_entropy": 1, "triplet": 2, "norm": 2 * 0.001, "pairing": 0.5}
    decay = 2e-4 * 10
    np.testing.assert_allclose(weighted_total(terms, weights, "mean") + decay, 9.686428, atol=1e-5)


def test_two_equal_positives_count_twice():
    one = triplet_terms([Triplet(A, P, N, 0.5, ALL)])
    two = triplet_terms([Triplet(A, P, N, 0.5, ALL)] * 2)
    for single, double in zip(one, two):
        np.testing.assert_allclose(double, 2 * single)


def test_an_invalid_triplet_has_neither_loss_nor_gradient():
    with tf.GradientTape() as tape:
        tape.watch([A, P, N])
        terms = triplet_terms([Triplet(A, P, N, 0.8, tf.constant([True, False, True]))])
        total = tf.add_n([tf.reduce_sum(term) for term in terms])
    assert terms[0][1] == 0 and terms[1][1] == 0
    for gradient in tape.gradient(total, [A, P, N]):
        assert np.all(gradient[1] == 0) and np.any(gradient[0] != 0)


def test_embeddings_of_zeros_have_finite_gradients():
    zeros = tf.zeros([2, 4])
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        triplet, norm = triplet_terms(
            [Triplet(zeros, zeros, zeros, 0.5, tf.constant([True, True]))]
        )
        total = tf.reduce_sum(triplet + norm)
    assert np.all(np.isfinite(tape.gradient(total, zeros)))


def test_the_objective_of_hardness_manipulation():
    """1 - |cos| of unit vectors at 0, 60 and 30 degrees: H = 0.5 - (1 - 0.866) = 0.366."""
    rows = [[[np.cos(t), np.sin(t)]] for t in np.radians([0.0, 60.0, 30.0])]
    triplet = Triplet(*map(tf.constant, rows), 0.0, tf.constant([True]))
    hardness = 0.5 - (1 - np.sqrt(0.75))
    for destination in (-1.0, 0.0, 1.0):
        expected = -(max(0.0, destination - hardness) ** 2)
        np.testing.assert_allclose(hardness_objective([triplet], destination), [expected])
    twice = hardness_objective([triplet] * 2, 1.0)
    np.testing.assert_allclose(twice, [-2 * (1 - hardness) ** 2])
    barren = triplet._replace(valid=tf.constant([False]))
    assert hardness_objective([barren], 1.0).numpy() == 0
