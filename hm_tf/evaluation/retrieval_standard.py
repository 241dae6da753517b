"""The standard attack on retrieval: an ensemble without settings to choose, as AutoAttack is one.

docs/retrieval_standard.md has the protocol.
"""

import numpy as np

from hm_tf.evaluation.attack_strength import AttackStrength
from hm_tf.evaluation.ranking_records import among, row_results, worst
from hm_tf.ranking_attacks import STANDARD
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.square import Square
from robust_tf.evaluation.doubts import Doubt

MODE = "fixed"
STEPS, RESTARTS, QUERIES = 100, 5, 1000
# The share of queries for which Square may reach a higher objective than APGD. Against a network
# of 8x8 digits it does for up to 10 %, with the signs of all gradients flipped for over 90 %.
LEAD = 0.25


def standard_members(threat_model):
    """Returns the two `AttackStrength`s that attack each objective, in their order."""
    return (
        AttackStrength(APGD(threat_model, steps=STEPS), "standard APGD", RESTARTS),
        AttackStrength(Square(threat_model, queries=QUERIES), "standard Square"),
    )


def standard_outcomes(evaluation, names):
    """Returns the defender's worst values, dict attack -> dict measure -> float [queries].

    Where Square leads, see `LEAD`, the evaluation gets a `Doubt` more.

    Args:
        evaluation: `RankingEvaluation`.
        names: Names of the attacks, whose objectives are ascended.
    """
    members = standard_members(evaluation.pgd.threat_model)
    found = {name: _runs_of_members(evaluation, name, members) for name in names}
    led = [name for name in names if _square_leads(*found[name])]
    if led:
        line = f"red light: Square gets further than APGD in {', '.join(led)}: gradients are "
        line += "masked; an attack through the masking (BPDA) may find more"
        evaluation.doubts.append(Doubt("masked gradients", line))
    return {name: worst(name, [*apgd, *square]) for name, (apgd, square) in found.items()}


def standard_results(evaluation, outcomes):
    """Returns the records of `standard_outcomes`."""
    said = [f"APGD of {STEPS} steps from {RESTARTS} starts", f"Square of {QUERIES:,} queries"]
    settings = {"members": said, "mode": MODE, "strength": STANDARD}
    return row_results(outcomes, evaluation, settings)


def _runs_of_members(evaluation, name, members):
    """For each member a list of its runs on all queries, see `RankingEvaluation.runs`.

    A query leaves an attack whose only measure is 0 for it, see `RankingAttack.ends_at_zero`.
    """
    queries, found = evaluation.test_set.queries, []
    left, ends = queries, evaluation.attack(name, MODE).ends_at_zero
    for member in members:
        runs = evaluation.of_queries(left).runs(name, MODE, member, until_zero=ends)
        found.append([among(queries, left, run) for run in runs])
        if ends:
            [values] = worst(name, sum(found, [])).values()
            left = queries[values > 0]
    return found


def _square_leads(apgd, square):
    """Whether Square's only run ascended further than all of APGD's, see `LEAD`."""
    highest = np.nanmax([run["objective"] for run in apgd], axis=0)
    return any(np.mean(run["objective"] > highest) > LEAD for run in square)
