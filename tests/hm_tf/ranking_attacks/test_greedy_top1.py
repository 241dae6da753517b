import numpy as np
import pytest
import tensorflow as tf

from hm_tf.ranking_attacks.greedy_top1_misranking import GreedyTop1Misranking
from hm_tf.ranking_attacks.greedy_top1_translocation import GreedyTop1Translocation

KEY = tf.constant([0, 0])
MODES = pytest.mark.parametrize("mode", ["compat", "fixed"])
# compat: relative to the class of the top-1 item, and the place among other classes as the index.
TARGETS = {
    "compat": [0, 0, 4, 7, 1, 2, 2, 3, 1, 3, 7, 7],
    "fixed": [4, 4, 5, 9, 8, 2, 2, 9, 4, 3, 7, 7],
}
TOP_1 = [1, 4, 5, 9, 8, 6, 5, 9, 4, 3, 7, 10]


@MODES
def test_misranking_targets_of_every_item(e12, mode):
    target, own = GreedyTop1Misranking(mode).select(e12, tf.range(12), KEY)
    np.testing.assert_array_equal(target, TARGETS[mode])
    np.testing.assert_array_equal(own, np.arange(12))


@MODES
@pytest.mark.parametrize("degrees, cost, hit", [(43, 0.052354, 0), (30, 0.174311, 0)])
def test_misranking(example, degrees, cost, hit, mode):
    values = example(GreedyTop1Misranking(mode), [2, 5], degrees)
    np.testing.assert_allclose(values, [cost, hit], atol=2e-6)


@MODES
def test_translocated_items(e12, mode):
    candidate, own = GreedyTop1Translocation(mode).select(e12, tf.range(12), KEY)
    np.testing.assert_array_equal(candidate, TOP_1)
    np.testing.assert_array_equal(own, np.arange(12))


@MODES
@pytest.mark.parametrize("degrees, cost, kept", [(43, 0.361693, 1), (30, 0.258550, 0)])
def test_translocation(example, degrees, cost, kept, mode):
    values = example(GreedyTop1Translocation(mode), [6, 5], degrees)
    np.testing.assert_allclose(values, [cost, kept], atol=2e-6)


def test_the_distance_of_compat_is_the_shifted_one(e12):
    """||q - u + 1e-6||, as the authors' code: an item at u itself is pushed along (1, 1)."""
    rows, chosen = tf.constant([5]), (tf.constant([2]), tf.constant([5]))
    queries = e12.vectors(chosen[0])
    costs = [GreedyTop1Misranking(m).cost(e12, rows, chosen)(queries) for m in ("compat", "fixed")]
    np.testing.assert_allclose(costs, [[np.sqrt(2) * 1e-6], [0]], rtol=1e-4)
