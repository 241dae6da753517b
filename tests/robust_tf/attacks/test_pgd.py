import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.pgd import PGD
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
LINF = ThreatModel(0.1)


class Linear(Objective):
    """Ascends slope.x, counts how often Python calls it and how often the loop evaluates it."""

    def __init__(self, slope):
        self.slope = tf.constant(slope)
        self.calls = 0
        self.evaluations = tf.Variable(0)

    def __call__(self, x):
        self.calls += 1
        self.evaluations.assign_add(1)
        return tf.reduce_sum(self.slope * x, axis=1)


W = np.array([[1, -1, 0.5], [0.2, 0.8, -0.4]])
TOY = np.array([[0.3, 0.6]])


def toy_logits(x):
    return x @ W + [0.1, 0.0, -0.1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fgsm_on_a_linear_softmax(dtype):
    weights, bias = tf.constant(W, dtype), tf.constant([0.1, 0.0, -0.1], dtype)
    objective = CrossEntropy(lambda x: x @ weights + bias, [0])
    x = tf.constant(TOY, dtype)
    np.testing.assert_allclose(objective(x), [0.790008], atol=1e-6)
    np.testing.assert_allclose(
        PGD(LINF, 1, 0.1, random_start=False).ascend(objective, x), [[0.2, 0.7]], atol=1e-7
    )


def test_pgd_iterates_on_a_linear_softmax(monkeypatch):
    """Start offset [+0.08, -0.05], step size 0.04, from a start drawn once by hand."""
    offset = np.array([[0.08, -0.05]])
    monkeypatch.setattr(ThreatModel, "random_start", lambda self, x, key, shard: x + offset)
    objective = CrossEntropy(toy_logits, [0])
    x = tf.constant(TOY)
    expected = [([0.34, 0.59], 0.759836), ([0.30, 0.63], 0.791893), ([0.26, 0.67], 0.826397)]
    for steps, (iterate, value) in enumerate(expected, 1):
        x_adv = PGD(LINF, steps, 0.04, random_start=True).ascend(objective, x, key=KEY)
        np.testing.assert_allclose(x_adv, [iterate], atol=1e-9)
        np.testing.assert_allclose(objective(x_adv), [value], atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_image_without_gradient_does_not_move(norm):
    x = tf.fill([2, 3], 0.5)
    attack = PGD(ThreatModel(0.1, norm), 4, momentum=Momentum(1.0, "l1"), random_start=False)
    moved = attack.ascend(Linear([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), x)
    np.testing.assert_allclose(moved, [[0.5, 0.5, 0.5], [0.6, 0.5, 0.5]], atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.ones([2]),
        lambda x: tf.stop_gradient(x[:, 0]),
        lambda x: tf.cast(10 * x[:, 0], tf.int32),
    ],
)
def test_an_objective_that_ignores_the_image_leaves_it_alone_and_says_so(function):
    class Constant(Objective):
        def __call__(self, x):
            return function(x)

    x = tf.fill([2, 3], 0.5)
    with pytest.warns(UserWarning, match="^the values of Constant have no gradient, as after"):
        found = PGD(LINF, 2, random_start=False).ascend(Constant(), x)
    np.testing.assert_array_equal(found, x)


def test_step_size_defaults_to_two_and_a_half_radii_over_the_run():
    assert PGD(LINF, 10, random_start=False).step_size == pytest.approx(0.025)
    assert PGD(LINF, 10, "1/255", random_start=False).step_size == 1 / 255
    one_step = PGD(LINF, 10, random_start=False).ascend(Linear([[1.0]]), tf.constant([[0.5]]))
    np.testing.assert_allclose(one_step, [[0.6]], atol=1e-6)


def test_objective_is_traced_once_per_compile_and_evaluated_every_step():
    objective = Linear([[1.0, -1.0]])
    for restarts, evaluations in ((1, 5), (3, 15)):
        objective.calls = 0
        objective.evaluations.assign(0)
        attack = PGD(LINF, 5, random_start=True, restarts=restarts)
        compiled = tf.function(lambda x, key: attack.ascend(objective, x, key=key), autograph=False)
        compiled(tf.fill([2, 2], 0.5), KEY)
        assert objective.calls == 1
        assert objective.evaluations == evaluations
        compiled(tf.fill([2, 2], 0.4), randomness.key(0, 1, "test"))
        assert objective.calls == 1


@pytest.mark.parametrize("norm, eps, dtype", [("linf", 0.1, "float32"), ("l2", 0.5, "float64")])
def test_eager_graph_and_xla_agree_and_keep_dtype_and_shape(norm, eps, dtype, classifier):
    logits_fn, x, labels = classifier(dtype)
    attack = PGD(ThreatModel(eps, norm), 5, momentum=Momentum(0.9, "ema"), random_start=False)
    shapes = []

    def run(x):
        x_adv = attack.ascend(CrossEntropy(logits_fn, labels), x)
        shapes.append(x_adv.shape)
        return x_adv

    eager = run(x)
    assert eager.dtype == dtype
    assert np.max(np.abs(eager - x)) > 0.01
    for jit_compile in (False, True):
        graph = tf.function(run, autograph=False, jit_compile=jit_compile)
        np.testing.assert_allclose(graph(x), eager, atol=1e-5)
    assert shapes == [x.shape] * 3


def test_xla_compiles_random_start_and_restarts(classifier):
    logits_fn, x, labels = classifier()
    attack = PGD(LINF, 3, random_start=True, restarts=3)

    def run(x, key):
        return attack.ascend(CrossEntropy(logits_fn, labels), x, key=key)

    x_adv = tf.function(run, autograph=False, jit_compile=True)(x, KEY)
    assert np.all(LINF.contains(x_adv, x))
    np.testing.assert_allclose(x_adv, run(x, KEY), atol=1e-5)


def test_batch_size_known_only_at_run_time(classifier):
    logits_fn, x, labels = classifier()
    attack = PGD(LINF, 3, random_start=True, restarts=2)
    compiled = tf.function(
        lambda x, y: attack.ascend(CrossEntropy(logits_fn, y), x, key=KEY),
        input_signature=[tf.TensorSpec([None, 4, 4, 1]), tf.TensorSpec([None], tf.int64)],
    )
    expected = attack.ascend(CrossEntropy(logits_fn, labels), x, key=KEY)
    np.testing.assert_allclose(compiled(x, labels), expected, atol=1e-5)


def test_result_carries_no_gradient(classifier):
    scale = tf.Variable(1.0)
    logits_fn, x, labels = classifier()
    with tf.GradientTape() as tape:
        tape.watch(x)
        objective = CrossEntropy(lambda x: scale * logits_fn(x), labels)
        total = tf.reduce_sum(PGD(LINF, 2, random_start=False).ascend(objective, x))
    assert tape.gradient(total, [x, scale]) == [None, None]


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("restarts", [1, 3])
def test_two_shards_make_exactly_the_images_of_one(norm, restarts, classifier):
    logits_fn, x, labels = classifier("float64")
    attack = PGD(ThreatModel(0.3, norm), 4, random_start=True, restarts=restarts)
    whole = attack.ascend(CrossEntropy(logits_fn, labels), x, key=KEY)
    for index in (0, 1):
        rows = slice(4 * index, 4 * index + 4)
        objective = CrossEntropy(logits_fn, labels[rows])
        shard = attack.ascend(objective, x[rows], key=KEY, shard=Shard(index, 2))
        tolerance = 0 if norm == "linf" else 1e-12  # the sums of L2 may be blocked differently
        np.testing.assert_allclose(shard, whole[rows], rtol=0, atol=tolerance)


class Saturating(Linear):
    """Values min(slope.x, limit), the loop ends when their mean stands still."""

    def __init__(self, slope, limit):
        super().__init__(slope)
        self.limit = limit

    def __call__(self, x):
        return tf.minimum(super().__call__(x), self.limit)

    def saturated(self, value, previous):
        return tf.abs(value - previous) < 1e-6


@pytest.mark.parametrize("compile_it", [False, True])
def test_stop_rule_ends_the_loop_after_the_step_that_gained_nothing(compile_it):
    """From 0.5 by steps of 0.02: values 0.50, 0.52, 0.54 -> limit 0.53, and 0.53 again."""
    objective = Saturating([[1.0]], limit=0.53)
    attack = PGD(LINF, 50, 0.02, random_start=False)
    run = tf.function(attack.ascend) if compile_it else attack.ascend
    np.testing.assert_allclose(run(objective, tf.constant([[0.5]])), [[0.54]], atol=1e-6)
    assert objective.evaluations == 4


@pytest.mark.parametrize("restarts", [1, 2])
def test_a_random_start_without_a_key_is_refused(restarts):
    attack = PGD(LINF, 1, random_start=True, restarts=restarts)
    with pytest.raises(ValueError, match="needs a key"):
        attack.ascend(Linear([[1.0]]), tf.zeros([1, 1]))


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"steps": 0}, "steps"),
        ({"steps": 1, "restarts": 0, "random_start": True}, "restarts"),
        ({"steps": 1, "restarts": 2, "random_start": False}, "random start"),
        ({"steps": 1, "step_size": "x"}, "8/255"),
        ({"steps": 3, "step_size": 0}, "step_size=0 would leave the images where they start"),
    ],
)
def test_bad_numbers_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        PGD(LINF, **arguments)


def test_a_ball_of_one_point_has_steps_of_no_length():
    """As a check has it: such an attack must find nothing."""
    assert PGD(eps=0).step_size == PGD(eps=0, step_size=0).step_size == 0


def test_a_step_of_whole_pixels_is_refused():
    with pytest.raises(ValueError, match="step_size=2: pixels .* did you mean step_size='2/255'"):
        PGD(eps="8/255", step_size=2)
    assert PGD(eps=3, norm="l2", step_size=2).step_size == 2
    assert PGD(ThreatModel(8, upper=255), step_size=2).step_size == 2


def test_repr_shows_every_setting():
    attack = PGD(LINF, 5, "1/255", random_start=True, momentum=Momentum(0.9, "ema"), restarts=3)
    assert str(attack) == (
        "PGD(linf eps=0.1, steps=5, step_size=1/255, loss='ce', random_start=True, "
        "momentum=Momentum(decay=0.9, form='ema'), restarts=3)"
    )
