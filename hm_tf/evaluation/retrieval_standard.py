"""The standard attack on retrieval: an ensemble without settings to choose, as AutoAttack is one.

docs/retrieval_standard.md has the protocol.
"""

from hm_tf.evaluation.attack_strength import AttackStrength
from hm_tf.evaluation.ranking_records import among, row_results, worst
from hm_tf.ranking_attacks import STANDARD
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.square import Square

MODE = "fixed"
STEPS, RESTARTS, QUERIES = 100, 5, 1000


def standard_members(threat_model):
    """Returns the two `AttackStrength`s that attack each objective, in their order."""
    return (
        AttackStrength(APGD(threat_model, steps=STEPS), "standard APGD", RESTARTS),
        AttackStrength(Square(threat_model, queries=QUERIES), "standard Square"),
    )


def standard_outcomes(evaluation, names):
    """Returns the defender's worst values, dict attack -> dict measure -> float [queries].

    Args:
        evaluation: `RankingEvaluation`.
        names: Names of the attacks, whose objectives are ascended.
    """
    members = standard_members(evaluation.pgd.threat_model)
    return {name: _lowest(evaluation, name, members) for name in names}


def standard_results(evaluation, outcomes):
    """Returns the records of `standard_outcomes`."""
    said = [f"APGD of {STEPS} steps from {RESTARTS} starts", f"Square of {QUERIES:,} queries"]
    settings = {"members": said, "mode": MODE, "strength": STANDARD}
    return row_results(outcomes, evaluation, settings)


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
