"""Differences of two methods against scipy: McNemar, intervals, seeds, shares."""

import math

import numpy as np
import pytest
from scipy import stats

from robust_tf.reports.difference import (
    Difference,
    of_images,
    of_intervals,
    of_seeds,
    of_seeds_and_images,
    separated_together,
)


def outcomes(both, lost, won, neither):
    counts = (both, lost, won, neither)
    first = np.repeat([True, True, False, False], counts)
    second = np.repeat([True, False, True, False], counts)
    return first, second


@pytest.mark.parametrize("counts", [(50, 3, 12, 35), (90, 5, 5, 0), (0, 0, 40, 10), (7, 1, 0, 2)])
def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_images(counts):
    _, lost, won, _ = counts
    found = of_images(*outcomes(*counts))
    expected = min(1.0, 2 * stats.binom.cdf(min(lost, won), lost + won, 0.5))
    assert found.p == pytest.approx(expected)
    assert found.value == pytest.approx((won - lost) / sum(counts))
    assert found.interval[0] <= found.value <= found.interval[1]


def test_the_paired_interval_agrees_with_the_bootstrap():
    first, second = outcomes(250, 15, 35, 100)
    change = second.astype(float) - first
    found = stats.bootstrap(
        (change,), np.mean, method="percentile", random_state=np.random.default_rng(0)
    )
    low, high = of_images(first, second).interval
    np.testing.assert_allclose((low, high), found.confidence_interval, atol=0.004)


def test_images_without_any_discordance_separate_nothing():
    same = np.array([True, False, True])
    found = of_images(same, same)
    assert (found.value, found.p, found.separated) == (0, 1, False)
    assert found.interval[0] < 0 < found.interval[1]


def test_values_are_compared_by_the_paired_t_test():
    rng = np.random.default_rng(0)
    first = rng.random(40)
    second = first + rng.normal(0.1, 0.2, 40)
    found, expected = of_images(first, second), stats.ttest_rel(second, first)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_the_same_seeds_are_compared_pair_by_pair():
    first, second = {0: 0.5, 1: 0.6, 2: 0.4}, {2: 0.43, 1: 0.61, 0: 0.52}
    found = of_seeds(first, second)
    expected = stats.ttest_rel([0.52, 0.61, 0.43], [0.5, 0.6, 0.4])
    assert (found.p, found.test) == (pytest.approx(expected.pvalue), "paired t over seeds")
    assert found.value == pytest.approx(0.02)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_other_seeds_are_compared_by_welch():
    first, second = {0: 0.5, 1: 0.52, 2: 0.49}, {0: 0.6, 5: 0.57}
    expected = stats.ttest_ind([*second.values()], [*first.values()], equal_var=False)
    found = of_seeds(first, second)
    assert (found.p, found.test) == (pytest.approx(expected.pvalue), "Welch over seeds")
    assert found.value == pytest.approx(0.585 - 1.51 / 3)


@pytest.mark.parametrize(
    "first, second",
    [
        ({0: 0.5}, {0: 0.6}),
        ({0: 0.5}, {0: 0.6, 1: 0.7}),
        ({0: 0.5, 1: 0.5}, {2: 0.6, 3: 0.6}),
        ({0: 0.1, 1: 0.3}, {0: 0.2, 1: 0.4}),  # a t-test would call this certain
    ],
)
def test_a_single_seed_and_seeds_without_spread_are_not_tested(first, second):
    found = of_seeds(first, second)
    assert (found.interval, found.p, found.separated) == (None, None, False)
    assert found.value > 0


def test_newcombes_example():
    """Newcombe 1998, table II, example (a): 56/70 and 48/80."""
    wilson = [
        stats.binomtest(k, n).proportion_ci(0.95, method="wilson") for k, n in ((48, 80), (56, 70))
    ]
    found = of_intervals((48 / 80, tuple(wilson[0])), (56 / 70, tuple(wilson[1])))
    assert found.value == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert found.separated and found.p is None


def test_a_paired_difference_can_be_seen_where_an_unpaired_one_cannot():
    first, second = outcomes(180, 2, 14, 164)
    paired = of_images(first, second)
    shares = []
    for outcome in (first, second):
        k, n = int(outcome.sum()), len(outcome)
        interval = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        shares.append((k / n, tuple(interval)))
    assert paired.separated and not of_intervals(*shares).separated
    assert math.isclose(paired.value, of_intervals(*shares).value)


@pytest.mark.parametrize(
    "chances, expected",
    [
        ([0.03], [True]),
        ([0.03, 0.04], [False, False]),  # 0.03 > 0.05 / 2
        ([0.04, 0.01, 0.02], [True, True, True]),  # 0.05 / 3, / 2, / 1
        ([0.04, 0.01, 0.03], [False, True, False]),  # what follows a miss is missed
        ([None, 0.03, None], [False, True, False]),  # untested ones do not count
    ],
)
def test_many_differences_are_separated_as_holm_corrects_them(chances, expected):
    differences = [Difference(1.0, p and (0.5, 1.5), p, "t") for p in chances]
    assert separated_together(differences) == expected


def test_an_interval_alone_has_the_chance_of_its_width():
    at_the_edge = Difference(1.0, (0.0, 2.0))
    assert at_the_edge.chance == pytest.approx(0.05)
    assert Difference(1.0).chance is None
    # All images have the same value, as under an attack that leaves nothing.
    alike, apart = (of_intervals((0.0, (0.0, 0.0)), (v, (v, v))) for v in (0.0, 0.5))
    assert separated_together([alike, apart]) == [False, True]
    wide, narrow = Difference(1.0, (0.1, 1.9)), Difference(1.0, (0.6, 1.4))
    assert separated_together([wide]) == [True]
    assert separated_together([wide, wide, narrow]) == [False, False, True]


def test_seeds_and_images_both_widen_the_interval():
    rng = np.random.default_rng(0)
    of_image, of_seed = rng.normal(0, 0.3, 200), np.array([[-0.04], [0.0], [0.07]])
    first = np.zeros([3, 200])
    alone = [
        of_seeds_and_images(first, first + 0.1 + of_image + 0 * of_seed),
        of_seeds_and_images(first, first + 0.1 + of_seed + 0 * of_image),
    ]
    # One source alone is the t-test over it.
    for found, source in zip(alone, (of_image, of_seed[:, 0]), strict=True):
        expected = stats.ttest_1samp(0.1 + source, 0)
        assert found.p == pytest.approx(expected.pvalue)
        assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    both = of_seeds_and_images(first, first + 0.1 + of_image + of_seed)
    widths = [found.interval[1] - found.interval[0] for found in (*alone, both)]
    assert widths[2] == pytest.approx(math.hypot(*widths[:2]))
    assert both.p > max(found.p for found in alone)


@pytest.mark.parametrize("noise_of_seeds", [0.0, 0.2])
def test_the_interval_over_seeds_and_images_holds_the_truth(noise_of_seeds):
    """Of two methods that are alike, 95 % of the intervals must hold 0."""
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        easy = rng.normal(0, 2, 300)  # for all networks
        logits = rng.normal(0, noise_of_seeds, [2, 3, 1]) + rng.normal(0, 1, [2, 3, 300]) + easy
        found.append(of_seeds_and_images(*(logits > 0)))
    assert np.mean([low <= 0 <= high for low, high in (f.interval for f in found)]) > 0.94
    assert [f.separated for f in found] == [not low <= 0 <= high for _, (low, high), *_ in found]


def test_other_seeds_have_welchs_error_and_a_single_one_the_spread_of_the_others():
    """Images without a spread leave the test over seeds."""
    first = np.array([0.50, 0.52, 0.49])[:, None] * np.ones(50)
    second = np.array([0.60, 0.57])[:, None] * np.ones(50)
    found = of_seeds_and_images(first, second, same_seeds=False)
    expected = stats.ttest_ind(second[:, 0], first[:, 0], equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    single = of_seeds_and_images(first, second[:1], same_seeds=False)
    expected = stats.ttest_ind(second[:1, 0], first[:, 0])  # of equal variances
    assert single.p == pytest.approx(expected.pvalue)


def test_a_large_difference_of_two_seeds_is_separated():
    first, second = outcomes(20, 2, 60, 18)
    found = of_seeds_and_images([first, first], [second, second[::-1]])
    assert found.separated and found.p >= 1e-12


def test_equal_means_are_all_chance():
    first = np.array([[True, False, True], [False, True, True]])
    assert of_seeds_and_images(first, [[False, True, True], [False, True, True]]).p == 1.0


def test_networks_that_agree_on_all_images_are_not_tested():
    same = np.array([[True, False], [False, True]])
    assert of_seeds_and_images(same, same) == Difference(0.0)


def test_a_single_image_is_not_tested():
    assert of_seeds_and_images([[True], [True]], [[False], [True]]) == Difference(-0.5)
