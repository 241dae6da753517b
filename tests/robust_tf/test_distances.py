import numpy as np
import pytest
import tensorflow as tf

from robust_tf.distances import (
    angular,
    angular_matrix,
    cosine_matrix,
    euclidean,
    euclidean_matrix,
    shifted_euclidean,
)

A = np.array([[1, 2, 0, -1], [0.5, -1, 2, 1], [3, 0, 1, 1]])
P = np.array([[2, 1, 1, 0], [1, -2, 3, 2], [-3, 0.5, -1, -0.5]])
N = np.array([[0, 1, 3, 1], [0.5, -1, 1, 2], [0, 2, 1, -1]])
P1 = np.array([[1, 1, 0, -2], [0, -1, 1, 1], [2, 1, 1, 1]])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def gradients(function, u, v):
    u, v = tf.convert_to_tensor(u), tf.convert_to_tensor(v)
    with tf.GradientTape() as tape:
        tape.watch([u, v])
        value = function(u, v)
    return tape.gradient(value, [u, v])


@DTYPES
@pytest.mark.parametrize(
    "u, v, expected",
    [
        (A, P, [0.333333, 0.010051, 0.022992]),
        (A, N, [0.876909, 0.160000, 1.000000]),
        (P, N, [0.507634, 0.104331, 0.937006]),
        (A, P1, [0.166667, 0.076240, 0.088315]),
    ],
)
def test_angular_reference_values(u, v, expected, dtype):
    distance = angular(tf.constant(u, dtype), tf.constant(v, dtype))
    assert distance.dtype == dtype
    np.testing.assert_allclose(distance, expected, atol=2e-6)


@DTYPES
def test_matrices_agree_with_a_naive_loop(dtype):
    u, v = A, np.concatenate([P, N])
    cosines = [[a @ b / np.sqrt(a @ a * (b @ b)) for b in v] for a in u]
    lengths = [[np.sqrt(np.sum((a - b) ** 2)) for b in v] for a in u]
    u, v = tf.constant(u, dtype), tf.constant(v, dtype)
    np.testing.assert_allclose(cosine_matrix(u, v), cosines, atol=1e-6)
    np.testing.assert_allclose(angular_matrix(u, v), 1 - np.abs(cosines), atol=1e-6)
    np.testing.assert_allclose(euclidean_matrix(u, v), lengths, rtol=1e-6)
    np.testing.assert_allclose(euclidean(u, v[:3]), np.diag(lengths), rtol=1e-6)
    assert euclidean_matrix(u, v).dtype == dtype


def test_angular_is_symmetric_and_ignores_scale_and_sign():
    u, v = tf.constant(A), tf.constant(P)
    np.testing.assert_allclose(angular(u, v), angular(v, u), atol=1e-15)
    np.testing.assert_allclose(angular(-3.0 * u, 1e-3 * v), angular(u, v), atol=1e-12)


@DTYPES
def test_angular_stays_in_0_1_for_parallel_vectors(dtype):
    u = tf.constant(np.random.default_rng(0).normal(size=(500, 7)), dtype)
    for distance in (angular(u, 3.0 * u), angular(u, -u), angular_matrix(u, u)):
        assert np.min(distance) >= 0 and np.max(distance) <= 1
    np.testing.assert_allclose(angular(u, -u), np.zeros(500), atol=1e-6)


@pytest.mark.parametrize(
    "jit_compile, dtype", [(False, "float32"), (False, "float64"), (True, "float32")]
)
@pytest.mark.parametrize(
    "function", [angular, angular_matrix, cosine_matrix, euclidean, euclidean_matrix]
)
def test_gradients_at_zero_and_equal_vectors_are_finite(function, jit_compile, dtype):
    """With XLA too: its square root, unlike TensorFlow's kernel on CPU, has 0 * inf = NaN at 0."""
    u = np.array([[0, 0, 0], [1, 2, 3], [1, 0, 0]], dtype)
    v = np.array([[0, 0, 0], [1, 2, 3], [0, 1, 0]], dtype)

    @tf.function(autograph=False, jit_compile=jit_compile)
    def compiled(u, v):
        return gradients(function, u, v)

    for gradient in compiled(u, v):
        assert np.all(np.isfinite(gradient)) and np.max(np.abs(gradient)) < 10


def test_a_zero_vector_is_at_angular_distance_1():
    np.testing.assert_allclose(angular(tf.zeros([1, 4]), tf.constant(A[:1], tf.float32)), [1.0])


def test_gradient_of_angular_is_the_analytic_one():
    """d(1 - c)/du = (c u/|u| - v/|v|) / |u| for a cosine c > 0 (row 0 of A and P)."""
    u, v = A[:1], P[:1]
    unit_u, unit_v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    expected = (np.sum(unit_u * unit_v) * unit_u - unit_v) / np.linalg.norm(u)
    np.testing.assert_allclose(gradients(angular, u, v)[0], expected, atol=1e-12)


def test_gradient_of_euclidean_is_the_unit_vector_until_the_distance_is_negligible():
    u, v = np.array([[3.0, 4.0], [3e-5, 4e-5], [3e-8, 4e-8]]), np.zeros((3, 2))
    np.testing.assert_allclose(
        gradients(euclidean, u, v)[0], [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]], atol=1e-9
    )


def test_euclidean_matrix_has_no_nan_where_rounding_makes_the_square_negative():
    u = tf.constant(np.random.default_rng(0).normal(size=(100, 64)), tf.float32)
    unit = tf.math.l2_normalize(u, axis=1)
    distances = euclidean_matrix(unit, unit)
    assert np.all(np.isfinite(distances))
    np.testing.assert_allclose(np.diag(distances), np.zeros(100), atol=1e-3)


@pytest.mark.parametrize("dimension, expected", [(512, 0.000022627), (2, 0.000001414)])
def test_shifted_euclidean_of_equal_vectors(dimension, expected):
    vector = np.eye(1, dimension)
    assert shifted_euclidean(vector, vector).numpy()[0] == pytest.approx(expected, abs=1e-9)
    for gradient, sign in zip(gradients(shifted_euclidean, vector, vector), (1, -1)):
        np.testing.assert_allclose(gradient, np.full([1, dimension], sign / dimension**0.5))


def test_shifted_euclidean_is_euclidean_elsewhere():
    np.testing.assert_allclose(shifted_euclidean(A, P), np.linalg.norm(A - P, axis=1), atol=3e-6)
