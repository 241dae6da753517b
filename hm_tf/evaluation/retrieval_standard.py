"""The standard attack on retrieval: an ensemble without settings to choose, as AutoAttack is one.

docs/retrieval_standard.md has the protocol.
"""

import dataclasses

import numpy as np

from hm_tf.evaluation.attack_strength import AttackStrength
from hm_tf.evaluation.ranking_records import WORST_CASE, among, worst
from hm_tf.evaluation.robustness_score import COLUMNS, printed, score
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.square import Square

STANDARD = "standard"
MODE = "fixed"
STEPS, RESTARTS, QUERIES = 100, 5, 1000
RESAMPLES = 2000


def standard_members(threat_model):
    """Returns the two `AttackStrength`s that attack each objective, in their order."""
    return (
        AttackStrength(APGD(threat_model, steps=STEPS), "standard APGD", RESTARTS),
        AttackStrength(Square(threat_model, queries=QUERIES), "standard Square"),
    )


def standard_row(evaluation, names):
    """Returns the records of the worst case of each query, with intervals by bootstrap.

    Args:
        evaluation: `RankingEvaluation`.
        names: Names of the attacks, whose objectives are ascended.
    """
    members = standard_members(evaluation.pgd.threat_model)
    lowest = {name: _lowest(evaluation, name, members) for name in names}
    said = [f"APGD of {STEPS} steps from {RESTARTS} starts", f"Square of {QUERIES:,} queries"]
    settings = {"members": said, "mode": MODE, "strength": STANDARD}
    results = evaluation.results(lowest, settings, evaluation.pgd.threat_model)
    intervals = bootstrap_intervals([_of_each_query(result, lowest) for result in results])
    return [dataclasses.replace(r, interval=i) for r, i in zip(results, intervals, strict=True)]


def _lowest(evaluation, name, members):
    """Dict measure -> float [queries], the defender's worst value under all members.

    A query leaves an attack whose only measure is 0 for it, see `RankingAttack.ends_at_zero`.
    """
    queries, runs = evaluation.test_set.queries, []
    left, ends = queries, evaluation.attack(name, MODE).ends_at_zero
    for member in members:
        found = evaluation.of_queries(left).runs(name, MODE, member, until_zero=ends)
        runs += [among(queries, left, run) for run in found]
        if ends:
            [values] = worst(name, runs).values()
            left = queries[values > 0]
    return worst(name, runs)


def _of_each_query(result, lowest):
    """The values that a record is the mean of, float [queries]."""
    if result.metric == "ERS":
        of_each = {c.name: printed(c, lowest[c.attack][c.measure]) for c in COLUMNS}
        return score(of_each) / 100
    if result.attack == WORST_CASE:
        recalls = [lowest[name]["R@1"] for name in result.attack_settings["over"]]
        return np.min(recalls, axis=0)
    return lowest[result.attack][result.metric]


def bootstrap_intervals(columns):
    """Returns the 95 % interval of each mean by bootstrap (Efron and Tibshirani 1993).

    All columns have the same resamples of the queries.

    Args:
        columns: float [k, n], a value of each query.

    Returns:
        List of k pairs (low, high).
    """
    columns, draw = np.asarray(columns), np.random.default_rng(0)
    n = columns.shape[1]
    resamples = (draw.integers(0, n, n) for _ in range(RESAMPLES))
    means = [np.take(columns, rows, axis=1).mean(axis=1) for rows in resamples]
    return [(float(low), float(high)) for low, high in np.percentile(means, [2.5, 97.5], axis=0).T]
