import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.square import HALVINGS, Square
from robust_tf.attacks.square_proposals import (
    L2Proposals,
    LinfProposals,
    double_pyramid,
    pyramid,
)
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
AREAS = [0.8 / 2**level for level in range(10)]
SHAPE = (10, 12, 3)
GREY = tf.fill([6, *SHAPE], 0.5)


def test_pyramid_by_hand():
    """Squares of side 1, 3, 5 ... around [1, 2] that weigh 1, 1/4, 1/9."""
    outer, middle, top = 1 / 9, 1 / 4 + 1 / 9, 1 + 1 / 4 + 1 / 9
    expected = [[outer, middle, middle, middle], [outer, middle, top, middle]]
    np.testing.assert_allclose(pyramid(2, 4), expected)


@pytest.mark.parametrize("side", [1, 2, 3, 6, 9])
def test_double_pyramid_is_positive_above_negative_below_and_of_norm_1(side):
    pattern = double_pyramid(side)
    assert pattern.shape == (side, side)
    assert np.all(pattern[: side // 2] > 0) and np.all(pattern[side // 2 :] < 0)
    assert np.linalg.norm(pattern) == pytest.approx(1)


def test_linf_starts_with_stripes_and_changes_one_square_of_one_sign_a_channel():
    threat_model = ThreatModel(0.1)
    proposals = LinfProposals(threat_model, AREAS, SHAPE)
    start = np.asarray(proposals.start(GREY, KEY, Shard()))
    np.testing.assert_allclose(np.abs(start - 0.5), 0.1, atol=1e-6)
    assert np.all(start == start[:, :1]) and len(np.unique(start, axis=0)) == 6
    for level, side in ((0, 10), (3, 3), (9, 1)):
        change = np.asarray(proposals.propose(GREY, GREY, level, KEY, Shard())) - 0.5
        inside = change != 0
        assert np.all(inside.sum(axis=(1, 2)) == side**2)
        rows = inside.any(axis=(2, 3)).sum(axis=1)
        assert np.all(rows == side)
        assert np.all(np.ptp(np.abs(change[inside])) < 1e-6)
        for image in change:
            assert all(len(np.unique(image[..., c])) <= 2 for c in range(3))


def test_windows_reach_every_corner():
    proposals = LinfProposals(ThreatModel(0.1), [1 / 120], SHAPE)
    x = tf.fill([20000, *SHAPE], 0.5)
    changed = np.asarray(proposals.propose(x, x, 0, KEY, Shard()) != x)
    share = changed[..., 0].mean(axis=0) * 120
    assert share.shape == (10, 12) and share.min() > 0.65 and share.max() < 1.35


@pytest.mark.parametrize("level", [0, 4, 9])
def test_l2_spends_the_whole_radius_and_moves_it_into_one_window(level):
    threat_model = ThreatModel(0.5, "l2")
    proposals = L2Proposals(threat_model, AREAS, SHAPE)
    start = proposals.start(GREY, KEY, Shard())
    np.testing.assert_allclose(threat_model.distance(start, GREY), 0.5, rtol=1e-5)
    following = proposals.propose(GREY, start, level, KEY, Shard())
    np.testing.assert_allclose(threat_model.distance(following, GREY), 0.5, rtol=1e-5)
    differs = np.asarray(following != start).any(axis=3)
    side = proposals.sides[level]
    assert side % 2 == 1 and np.all(differs.sum(axis=(1, 2)) <= 2 * side**2)
    assert np.all(differs.any(axis=(1, 2)))


def test_l2_uses_again_what_the_box_has_cut_off():
    threat_model = ThreatModel(0.5, "l2")
    proposals = L2Proposals(threat_model, AREAS, SHAPE)
    x = tf.where(tf.range(12)[:, None] < 6, 1.0, 0.5) * tf.ones([6, *SHAPE])
    best = proposals.start(x, KEY, Shard())
    shortest = np.min(threat_model.distance(best, x))
    for number in range(20):
        key = randomness.key(0, number, "test")
        best = proposals.propose(x, best, 6, key, Shard())
        assert np.all(threat_model.contains(best, x))
    assert np.min(threat_model.distance(best, x)) > shortest


@pytest.mark.parametrize("queries", [1000, 5000, 10000])
def test_schedule_halves_the_area_at_the_published_queries(queries):
    attack = Square(ThreatModel(0.1), queries=queries)
    levels = [int(attack._level(tf.constant(number))) for number in (0, queries // 2, queries - 1)]
    assert levels == [0, 7, 9]
    halving = HALVINGS[3] * queries // 10_000  # the first query past it is smaller
    at = [int(attack._level(tf.constant(halving + more))) for more in (0, 1)]
    assert at == [3, 4]


def test_auto_attack_does_not_spread_the_schedule_over_its_queries():
    attack = Square(ThreatModel(0.1), queries=5000, rescaled=False)
    numbers = (0, HALVINGS[3], HALVINGS[3] + 1, 4999)
    assert [int(attack._level(tf.constant(number))) for number in numbers] == [0, 3, 4, 7]
