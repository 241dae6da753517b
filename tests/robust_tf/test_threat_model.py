import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.pgd import PGD
from robust_tf.randomness import Shard
from robust_tf.threat_model import (
    ThreatModel,
    format_magnitude,
    l2_unit,
    parse_magnitude,
    pixel_ball,
)

KEY = randomness.key(0, 0, "test")


def images(seed=0, dtype="float32"):
    return tf.constant(np.random.default_rng(seed).random((6, 4, 5, 3)).astype(dtype))


def l2_norms(difference):
    return np.sqrt(np.sum(np.asarray(difference, "float64") ** 2, axis=(1, 2, 3)))


@pytest.mark.parametrize(
    "text, value",
    [("8/255", 8 / 255), ("0.3", 0.3), (0.3, 0.3), (" 77 / 255 ", 77 / 255), (0, 0.0)],
)
def test_parse_magnitude(text, value):
    assert parse_magnitude(text) == value


@pytest.mark.parametrize(
    "text", ["abc", "-0.1", "-8/255", "1/0", "nan", "inf", "", "1/2/3", "8/", None, float("nan")]
)
def test_parse_magnitude_refuses_with_what_it_got(text):
    with pytest.raises(ValueError, match="expected a number >= 0 such as 8/255") as error:
        parse_magnitude(text)
    assert repr(text) in str(error.value)


def test_the_setting_that_is_no_size_is_named():
    for wrong, name in [({"eps": -0.1}, "eps"), ({"eps": 0.1, "step_size": "x"}, "step_size")]:
        with pytest.raises(ValueError, match=f"^{name}: expected a number >= 0"):
            PGD(**wrong)


@pytest.mark.parametrize("text", ["8/255", "77/255", "0.3", "0.01", "1", "0"])
def test_format_magnitude_writes_what_was_read(text):
    assert format_magnitude(parse_magnitude(text)) == text


def test_str():
    assert str(ThreatModel("8/255")) == "linf eps=8/255"
    assert str(ThreatModel(0.5, "l2")) == "l2 eps=0.5"


@pytest.mark.parametrize(
    "arguments, match", [((0.3, "l1"), "linf, l2"), (("x",), "8/255"), ((0.3, "l2", 1, 0), "below")]
)
def test_refuses_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        ThreatModel(*arguments)


def test_is_immutable():
    with pytest.raises(AttributeError):
        ThreatModel(0.3).eps = 1.0


def test_project_linf_by_hand():
    x = tf.constant([[0.05, 0.5, 0.98]])
    projected = ThreatModel(0.1).project(tf.constant([[-1.0, 0.55, 2.0]]), x)
    np.testing.assert_allclose(projected, [[0.0, 0.55, 1.0]], atol=1e-7)


def test_project_l2_by_hand():
    x = tf.constant([[0.5, 0.5], [0.5, 0.5], [0.9, 0.5]])
    far = x + tf.constant([[0.3, 0.4], [0.03, 0.04], [0.6, 0.8]])
    projected = ThreatModel(0.25, "l2").project(far, x)
    np.testing.assert_allclose(projected, [[0.65, 0.7], [0.53, 0.54], [1.0, 0.7]], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm, eps", [("linf", 0.1), ("l2", 0.7), ("linf", 0.0), ("l2", 0.0)])
def test_projection_ends_in_ball_and_box_and_is_idempotent(norm, eps, dtype):
    threat_model, x = ThreatModel(eps, norm), images(dtype=dtype)
    far = x + 3.0 * (images(1, dtype) - 0.5)
    once = threat_model.project(far, x)
    assert once.dtype == dtype
    difference = once - x
    sizes = l2_norms(difference) if norm == "l2" else np.abs(difference).max(axis=(1, 2, 3))
    assert np.all(sizes <= eps + 1e-6) and np.all(sizes >= 0.5 * eps)
    assert np.min(once) >= 0 and np.max(once) <= 1
    np.testing.assert_allclose(threat_model.project(once, x), once, atol=1e-6)


def test_a_large_ball_contains_its_projections():
    """Photos of 224 x 224 pixels: the lengths are rounded by more than 1e-6."""
    x = tf.fill([4, 224 * 224 * 3], 0.5)
    for eps in (12.0, 27.7, 60.0):
        ball = ThreatModel(eps, "l2")
        far = x + 2 * eps * l2_unit(tf.random.stateless_normal(x.shape, [0, 1]))
        assert np.all(ball.contains(ball.project(far, x), x))
        assert not np.any(ball.contains(x + 0.502 * (far - x), x))


def test_contains_judges_each_image():
    x = tf.fill([5, 2], 0.95)
    moves = tf.constant([[0.0, 0.04], [0.0, -0.11], [0.06, 0.0], [float("nan"), 0.0], [-0.1, -0.1]])
    inside = ThreatModel(0.1).contains(x + moves, x)
    np.testing.assert_array_equal(inside, [True, False, False, False, True])
    inside = ThreatModel(0.1, "l2").contains(x + moves, x)
    np.testing.assert_array_equal(inside, [True, False, False, False, False])


def test_step_by_hand():
    x, direction = tf.zeros([2, 2]), tf.constant([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(
        ThreatModel(1).step(x, direction, 0.1), [[0.1, -0.1], [0, 0]], atol=1e-7
    )
    np.testing.assert_allclose(
        ThreatModel(1, "l2").step(x, direction, 0.1), [[0.06, -0.08], [0, 0]], atol=1e-7
    )


def test_l2_step_of_a_tiny_gradient_has_full_length():
    moved = ThreatModel(1, "l2").step(tf.zeros([1, 2]), tf.constant([[3e-30, -4e-30]]), 0.1)
    np.testing.assert_allclose(moved, [[0.06, -0.08]], atol=1e-7)


@pytest.mark.parametrize("keys", [KEY, randomness.image_keys(0, "test", tf.range(20000))])
@pytest.mark.parametrize("norm, mean_share", [("linf", 1 / 2), ("l2", 3 / 4)])
def test_random_start_is_uniform_in_the_ball(norm, mean_share, keys):
    """In 3 dimensions the mean of |coordinate| / eps is 1/2, the mean of radius / eps is 3/4."""
    x = tf.fill([20000, 3], 0.5)
    offset = np.asarray(ThreatModel(0.2, norm).random_start(x, keys) - x)
    size = np.abs(offset) if norm == "linf" else np.linalg.norm(offset, axis=1)
    assert size.max() <= 0.2 + 1e-6
    assert abs(size.mean() / 0.2 - mean_share) < 0.01
    np.testing.assert_allclose(offset.mean(axis=0), 0.0, atol=0.005)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_start_follows_its_key_and_stays_in_the_box(norm):
    threat_model, x = ThreatModel(0.5, norm), images()
    start = threat_model.random_start(x, KEY)
    assert np.all(threat_model.contains(start, x))
    np.testing.assert_array_equal(start, threat_model.random_start(x, KEY))
    other = threat_model.random_start(x, randomness.key(0, 1, "test"))
    assert np.all(l2_norms(start - other) > 0.01)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_start_of_shards_is_that_of_the_whole_batch(norm):
    threat_model, x = ThreatModel(0.5, norm), images()
    halves = [threat_model.random_start(x[3 * i : 3 * i + 3], KEY, Shard(i, 2)) for i in (0, 1)]
    np.testing.assert_array_equal(tf.concat(halves, 0), threat_model.random_start(x, KEY))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_start_of_an_image_is_the_same_in_any_batch(norm):
    threat_model, x = ThreatModel(0.5, norm), images()
    keys = randomness.image_keys(0, "test", tf.range(6))
    start = threat_model.random_start(x, keys)
    assert np.all(l2_norms(start - x) > 0.01)
    for rows in ([4], [5, 4, 0]):
        part = threat_model.random_start(tf.gather(x, rows), tf.gather(keys, rows))
        np.testing.assert_allclose(part, tf.gather(start, rows), atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_start_with_a_batch_size_known_only_at_run_time(norm):
    threat_model, x = ThreatModel(0.5, norm), images()
    start = tf.function(
        lambda x: threat_model.random_start(x, KEY),
        input_signature=[tf.TensorSpec([None, 4, 5, 3])],
    )
    np.testing.assert_allclose(start(x), threat_model.random_start(x, KEY), atol=1e-6)


def test_a_radius_of_8_bit_pixels_is_refused_where_a_user_gives_it():
    assert pixel_ball("8/255") == ThreatModel("8/255") and pixel_ball(1).eps == 1
    assert pixel_ball(3, "l2") == ThreatModel(3, "l2")
    assert ThreatModel(2).eps == 2  # a check attacks in several times the radius
    for give in (pixel_ball, lambda eps: PGD(eps=eps)):
        with pytest.raises(
            ValueError, match=r"eps=8: pixels are in \[0, 1\]; did you mean eps='8/"
        ):
            give(8)
