import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
LINF = ThreatModel(0.1)


def restart_keys(count):
    return [KEY] + [tf.random.experimental.stateless_fold_in(KEY, run) for run in range(1, count)]


class Threshold(Objective):
    """No gradient; an image is done where its first pixel exceeds `bound`; counts its runs."""

    def __init__(self, bound):
        self.bound = tf.constant(bound)
        self.runs = tf.Variable(0)

    def __call__(self, x):
        return 0.0 * x[:, 0]

    def active(self, x):
        self.runs.assign_add(1)
        return x[:, 0] <= self.bound


@pytest.mark.parametrize("compile_it", [False, True])
def test_restarts_keep_the_first_defeat_or_else_the_first_run(compile_it):
    x = tf.fill([3, 1], 0.5)
    bound = np.array([0.52, 0.565, 9.0], "float32")
    starts = [np.asarray(LINF.random_start(x, key))[:, 0] for key in restart_keys(6)]
    defeats = np.array(starts) > bound
    first = defeats.argmax(axis=0)  # 0 where there is none
    assert defeats[:, 0].sum() > 1 and 1 < first[1] < 5 and not defeats[:, 2].any()
    expected = [starts[run][image] for image, run in enumerate(first)]
    objective = Threshold(bound)
    attack = PGD(LINF, 1, random_start=True, restarts=6)
    run = tf.function(attack.ascend) if compile_it else attack.ascend
    np.testing.assert_allclose(run(objective, x, key=KEY)[:, 0], expected, atol=1e-6)
    assert objective.runs == 6


def test_restarts_end_when_every_image_is_defeated():
    objective = Threshold([0.0, 0.0])
    PGD(LINF, 1, random_start=True, restarts=6).ascend(objective, tf.fill([2, 1], 0.5), key=KEY)
    assert objective.runs == 1


def test_restarts_are_at_least_as_strong_as_each_of_their_runs(classifier):
    """With one short step in a large ball the random start decides, so the runs differ."""
    logits_fn, x, labels = classifier(seed=2)
    objective, ball = CrossEntropy(logits_fn, labels), ThreatModel(0.2)
    single = PGD(ball, 1, 0.01, random_start=True)
    runs = [objective.active(single.ascend(objective, x, key=key)) for key in restart_keys(5)]
    assert np.all(runs, axis=0).sum() < min(np.sum(run) for run in runs)
    together = PGD(ball, 1, 0.01, random_start=True, restarts=5).ascend(objective, x, key=KEY)
    np.testing.assert_array_equal(objective.active(together), np.all(runs, axis=0))
