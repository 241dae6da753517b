"""FAB, APGD and Square where the distance to the nearest misclassified image is known exactly."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB, step_to_hyperplane
from robust_tf.attacks.square import Square
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
NORMS = pytest.mark.parametrize("norm", ["linf", "l2"])
INNER = (0.45, 0.55)  # pixels that the attacks move, but not as far as to the box


def shortest(x, normal, excess, norm):
    """The length of the shortest way from x to normal . z = 0 in the box, by bisection; or inf."""
    scale = np.max(np.abs(normal))
    normal, excess = normal / scale, excess / scale
    room = np.where(normal * np.sign(excess) > 0, x, 1.0 - x)
    steep = np.abs(normal) if norm == "l2" else 1.0
    low, high = 0.0, 1e6
    for _ in range(200):
        level = (low + high) / 2
        move = np.minimum(level * steep, room)
        low, high = (level, high) if move @ np.abs(normal) < abs(excess) else (low, level)
    if high == 1e6:
        return np.inf
    return np.max(move[normal != 0]) if norm == "linf" else np.linalg.norm(move)


class Linear:
    """A linear classifier on 4x4x1 images whose pixels lie in `pixels`, and true distances."""

    def __init__(self, classes, norm, pixels):
        rng = np.random.default_rng(classes)
        weights = rng.normal(size=(16, classes))
        images = rng.uniform(*pixels, (12, 4, 4, 1))
        # A label wins by little, so that the ways to the other classes are short.
        logits = images.reshape(12, 16) @ weights
        bias = 0.2 * rng.normal(size=classes) - logits.mean(axis=0)
        self.weights, self.bias = tf.constant(weights, tf.float32), tf.constant(bias, tf.float32)
        self.x = tf.constant(images, tf.float32)
        self.y = np.argmax(logits + bias, axis=1)
        rows = zip(images.reshape(12, 16), logits + bias, self.y, strict=True)
        self.distance = np.array(
            [
                min(
                    shortest(image, weights[:, y] - weights[:, other], z[y] - z[other], norm)
                    for other in range(classes)
                    if other != y
                )
                for image, z, y in rows
            ]
        )

    def __call__(self, x):
        return tf.reshape(x, [-1, 16]) @ self.weights + self.bias

    def fooled(self, x_adv):
        return np.argmax(self(x_adv), axis=1) != self.y


@NORMS
def test_away_from_the_box_the_distance_is_the_gap_over_the_dual_norm(norm):
    rng = np.random.default_rng(1)
    x, normal = rng.uniform(0.45, 0.55, 16), rng.normal(size=16)
    dual = np.sum(np.abs(normal)) if norm == "linf" else np.linalg.norm(normal)
    for gap in (0.5, -0.5):
        assert shortest(x, normal, gap, norm) == pytest.approx(0.5 / dual)


@NORMS
@pytest.mark.parametrize("classes", [2, 10])
def test_fab_finds_the_minimal_distance_at_the_box_too(classes, norm):
    linear = Linear(classes, norm, (0.0, 1.0))
    attack = FAB(ThreatModel(1.0, norm), steps=60)
    nearest = tf.function(lambda x, y: attack.nearest(linear, x, y), autograph=False)
    x_adv, distance = nearest(linear.x, linear.y)
    assert np.all(linear.fooled(x_adv))
    np.testing.assert_allclose(attack.threat_model.distance(x_adv, linear.x), distance, rtol=1e-5)
    ratio = distance / linear.distance
    assert np.all(ratio > 1 - 1e-4)
    assert np.max(ratio) < 1.02


# Each form of each loss (see `loss_name`), and both norms with few classes and with many. With more
# than two the cross entropy weighs them all and need not lead to the nearest.
CASES = [("ce", 2, "linf"), ("dlr", 2, "l2"), ("dlr", 3, "linf"), ("dlr", 10, "l2")]
CASES += [("targeted-dlr", 3, "l2"), ("targeted-dlr", 10, "linf"), ("targeted-dlr", 10, "l2")]
CASES += [("targeted-dlr", 2, "linf"), ("targeted-margin", 10, "linf")]


@pytest.mark.parametrize("loss, classes, norm", CASES)
def test_apgd_succeeds_exactly_where_eps_exceeds_the_distance(loss, classes, norm):
    check_success(lambda threat: APGD(threat, loss, steps=30), Linear(classes, norm, INNER), norm)


@NORMS
def test_fab_succeeds_exactly_where_eps_exceeds_the_distance(norm):
    check_success(lambda threat: FAB(threat, steps=30), Linear(10, norm, INNER), norm)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_square_reaches_the_corner_that_linf_needs(classes):
    linear = Linear(classes, "linf", INNER)
    check_success(lambda threat: Square(threat, queries=1000), linear, "linf")


def check_success(make, linear, norm):
    """Fooled are all images nearer to the boundary than eps by 2 %, and none farther than eps."""
    threat_model = ThreatModel(float(1.021 * np.sort(linear.distance)[5]), norm)
    attack = make(threat_model)
    run = tf.function(lambda x, y, key: attack.perturb(linear, x, y, key), autograph=False)
    x_adv = run(linear.x, linear.y, KEY)
    assert np.all(threat_model.contains(x_adv, linear.x))
    must, may = 1.02 * linear.distance < threat_model.eps, linear.distance < threat_model.eps
    assert 6 <= must.sum() <= may.sum() < 12
    fooled = linear.fooled(x_adv)
    assert np.all(fooled[must]) and not np.any(fooled[~may])


@NORMS
def test_step_to_a_hyperplane_is_feasible_and_shortest(norm):
    rng = np.random.default_rng(0)
    x, normal = rng.random((20, 6)), rng.normal(size=(20, 6)) * 1e-12
    normal[0, :3] = 0.0
    excess = rng.uniform(-1, 1, 20) * np.abs(normal).sum(axis=1) * 0.4
    excess[1] = 0.0
    threat_model = ThreatModel(1.0, norm)
    step = step_to_hyperplane(*map(tf.constant, (x, normal, excess)), threat_model).numpy()
    assert np.all((x + step > -1e-12) & (x + step < 1 + 1e-12))
    expected = np.array([shortest(*row, norm) for row in zip(x, normal, excess, strict=True)])
    reachable = np.isfinite(expected)
    assert 10 < reachable.sum() < 20
    left = np.sum(step * normal, axis=1) + excess
    np.testing.assert_allclose(left[reachable], 0, atol=1e-24)
    lengths = threat_model.distance(tf.constant(step), tf.zeros_like(step))
    np.testing.assert_allclose(lengths[reachable], expected[reachable], rtol=1e-9, atol=1e-12)
    # Out of reach: the corner of the box on that side.
    corner = np.where(normal * excess[:, None] > 0, 0.0, 1.0)
    np.testing.assert_allclose((x + step)[~reachable], corner[~reachable])


def test_no_gradient_no_step():
    x = tf.fill([2, 3], 0.5)
    step = step_to_hyperplane(x, tf.zeros_like(x), tf.constant([1.0, 0.0]), ThreatModel(0.1))
    np.testing.assert_array_equal(step, np.zeros((2, 3)))
