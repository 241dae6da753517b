import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.objective import Objective
from robust_tf.attacks.objectives import (
    CrossEntropy,
    Margin,
    correct,
    dlr,
    dlr_form,
    likeliest_others,
    margin,
    targeted_dlr,
)
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel

Z = np.array([[2, 0.5, -1, 0, 1], [0.1, 3, 0.2, -2, 2.5], [-1, 0, 1, 2, 3], [60, 0, -5, 1, 2]])
Y = np.array([0, 1, 3, 0])
FAR = np.array([[-30.0, 25, 0, 0, 0]])  # margin -55: beyond kappa = 50
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def gradient(objective, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(objective(x))
    return tape.gradient(total, x)


@DTYPES
def test_margin(dtype):
    values = margin(tf.constant(Z, dtype), Y)
    assert values.dtype == dtype
    np.testing.assert_allclose(values, [1, 0.5, -1, 58], atol=1e-5)
    np.testing.assert_allclose(margin(tf.constant(FAR, dtype), [0]), [-55], atol=1e-5)


@pytest.mark.parametrize("kappa, expected", [(0.0, [1, 0.5, 0, 58]), (50.0, [1, 0.5, -1, 58])])
def test_margin_objective_is_the_truncated_margin_negated(kappa, expected):
    objective = Margin(tf.identity, Y, kappa=kappa)
    np.testing.assert_allclose(objective(tf.constant(Z)), -np.array(expected))


def test_margin_objective_is_that_of_the_authors_code_up_to_a_constant():
    objective = Margin(tf.identity, Y)
    np.testing.assert_allclose(objective(tf.constant(Z)) - 50.0, [-51, -50.5, -49, -108])


def test_margin_gradient_raises_the_best_other_class_and_lowers_the_label():
    slopes = gradient(Margin(tf.identity, Y), tf.constant(Z))
    np.testing.assert_allclose(slopes[0], [-1, 0, 0, 0, 1])
    np.testing.assert_allclose(np.argmax(slopes, axis=1), [4, 4, 4, 4])


def test_an_image_beyond_kappa_does_not_move():
    x = tf.constant(FAR)
    objective = Margin(tf.identity, [0])
    np.testing.assert_allclose(objective(x), [50])
    attack = PGD(ThreatModel(1.0, lower=-100.0, upper=100.0), 3, random_start=False)
    np.testing.assert_array_equal(attack.ascend(objective, x), FAR)
    assert np.any(attack.ascend(Margin(tf.identity, [0], kappa=60.0), x) != FAR)


@DTYPES
@pytest.mark.parametrize(
    "smoothing, expected",
    [
        (0.0, [0.574438, 0.547602, 1.451914, 0.0]),
        (0.1, [0.724438, 0.771602, 1.551914, 4.84]),
    ],
)
def test_cross_entropy(smoothing, expected, dtype):
    objective = CrossEntropy(tf.identity, Y, label_smoothing=smoothing)
    np.testing.assert_allclose(objective(tf.constant(Z, dtype)), expected, atol=2e-6)


@pytest.mark.parametrize("kind", [CrossEntropy, Margin])
@pytest.mark.parametrize("labels", [Y, Y.astype("int32"), tf.constant(Y, tf.int64)])
def test_active_are_the_images_classified_as_their_label(kind, labels):
    objective = kind(tf.identity, labels)
    np.testing.assert_array_equal(objective.active(tf.constant(Z)), [True, True, False, True])


def test_by_default_all_images_are_active():
    np.testing.assert_array_equal(Objective().active(tf.zeros([3, 2])), [True] * 3)


@DTYPES
def test_dlr_by_hand(dtype):
    """Largest and third of the rows: 2 and 0.5, 3 and 0.2, 3 and 1, 60 and 1."""
    values = dlr(tf.constant(Z, dtype), Y)
    assert values.dtype == dtype
    np.testing.assert_allclose(values, [-1 / 1.5, -0.5 / 2.8, 1 / 2, -58 / 59], rtol=1e-6)


@DTYPES
def test_targeted_dlr_by_hand(dtype):
    """Towards class 1, 2, 4, 3: the label minus it is 1.5, 2.8, -1, 59.

    The scales are 2 - (0.5 + 0) / 2, 3 - (0.2 + 0.1) / 2, 3 - (1 + 0) / 2 and 60 - (1 + 0) / 2.
    """
    values = targeted_dlr(tf.constant(Z, dtype), Y, [1, 2, 4, 3])
    expected = [-1.5 / 1.75, -2.8 / 2.85, 1 / 2.5, -59 / 59.5]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_dlr_ignores_shift_and_scale_of_the_logits():
    moved = tf.constant(1000 * Z - 7)
    np.testing.assert_allclose(dlr(moved, Y), dlr(tf.constant(Z), Y))
    targets = [1, 2, 4, 3]
    expected = targeted_dlr(tf.constant(Z), Y, targets)
    np.testing.assert_allclose(targeted_dlr(moved, Y, targets), expected)


def test_with_few_classes_the_ratio_takes_its_next_simpler_form():
    forms = [(dlr_form(classes), dlr_form(classes, targeted=True)) for classes in (2, 3, 4)]
    assert forms == [("margin", "margin"), ("DLR", "DLR"), ("DLR", "targeted DLR")]
    three, two = tf.constant(Z[:2, :3]), tf.constant(Z[:2, :2])
    np.testing.assert_allclose(dlr(three, [0, 0]), [-1.5 / 3, 2.9 / 2.9])
    np.testing.assert_allclose(targeted_dlr(three, [0, 0], [2, 2]), dlr(three, [0, 0]))
    np.testing.assert_allclose(dlr(two, [0, 0]), [-1.5, 2.9])
    np.testing.assert_allclose(targeted_dlr(two, [0, 0], [1, 1]), [-1.5, 2.9])


def test_equal_logits_give_a_finite_ratio():
    np.testing.assert_array_equal(dlr(tf.zeros([1, 5]), [2]), [0])


def test_correct_and_likeliest_others():
    np.testing.assert_array_equal(correct(tf.constant(Z), Y), [True, True, False, True])
    others = likeliest_others(tf.constant(Z), Y, 3)
    np.testing.assert_array_equal(others, [[4, 1, 3], [4, 2, 0], [4, 2, 1], [4, 3, 1]])


def test_gradient_of_a_network_with_batch_statistics_has_a_part_of_every_image():
    """Scaled image by image, it would weigh the parts of the other images wrongly."""

    def logits_fn(x):
        mean, variance = tf.nn.moments(x, axes=[0])
        return 4 * tf.tanh((x - mean) / tf.sqrt(variance + 0.01))

    x = tf.constant(Z, tf.float32) / 3
    objective = CrossEntropy(logits_fn, Y, coupled=True)
    np.testing.assert_array_equal(objective.differentiate(x)[2], gradient(objective, x))
    apart = CrossEntropy(logits_fn, Y).differentiate(x)[2]
    assert np.abs(apart - gradient(objective, x)).max() > 0.01
