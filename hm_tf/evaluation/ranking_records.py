"""From what each query did under the ranking attacks to columns, score and their records."""

import numpy as np

from hm_tf.evaluation.metric_evaluation import measured
from hm_tf.evaluation.robustness_score import COLUMNS, printed, score

WORST_CASE = "worst case"


def among(queries, attacked, run):
    """Returns a run on some queries as one on all, NaN for the others.

    Args:
        queries: int [q], ascending.
        attacked: int [a], some of the queries.
        run: dict name -> array [a].

    Returns:
        dict name -> float64 [q].
    """
    places = np.searchsorted(queries, attacked)
    whole = {name: np.full(len(queries), np.nan) for name in run}
    for name, values in run.items():
        whole[name][places] = values
    return whole


def strongest(runs):
    """Per query what the run did whose objective rose highest.

    Args:
        runs: list of dicts "objective" and measures -> float [queries], of one attack.

    Returns:
        One such dict.
    """
    best = np.argmax([run["objective"] for run in runs], axis=0)
    places = best, np.arange(len(best))
    return {name: np.stack([run[name] for run in runs])[places] for name in runs[0]}


def worst(name, runs):
    """Returns per query and measure the defender's worst value among all runs of attack `name`.

    A run has NaN for the queries that it left out.
    """
    found = {}
    for column in COLUMNS:
        if column.attack == name:
            values = [run[column.measure] for run in runs]
            found[column.measure] = (np.nanmin if column.high_is_robust else np.nanmax)(
                values, axis=0
            )
    return found


def row_results(outcomes, evaluation, settings):
    """Returns the records of one row of the table: columns, worst case, and the score.

    Only all ten columns have a score; its settings say whether the network has collapsed. Means are
    over queries in both modes: the authors' mean of batch means depends on the size of a batch.

    Args:
        outcomes: dict attack -> dict measure -> float [queries].
        evaluation: `RankingEvaluation` that they are of.
        settings: dict of steps, restarts, mode, strength, ...
    """
    test_set, about, ball = evaluation.test_set, evaluation.about, evaluation.pgd.threat_model
    if test_set.limited:
        settings = {**settings, "gallery": len(test_set)}

    def result(attack, metric, values, **more):
        own = {"settings": {**settings, **more}, "threat_model": ball}
        return measured(attack, metric, values, about, **own)

    columns = [column for column in COLUMNS if column.attack in outcomes]
    results = [result(c.attack, c.measure, outcomes[c.attack][c.measure]) for c in columns]
    recalls = {name: of_each["R@1"] for name, of_each in outcomes.items() if "R@1" in of_each}
    if len(recalls) > 1:
        lowest = np.min(list(recalls.values()), axis=0)
        results.append(result(WORST_CASE, "R@1", lowest, over=list(recalls)))
    if len(columns) == len(COLUMNS):
        # A mean over queries like its columns, which are scaled linearly.
        values = {c.name: printed(c, outcomes[c.attack][c.measure]) for c in columns}
        found = result("ERS", "ERS", score(values) / 100, collapsed=bool(test_set.collapsed))
        results.append(found)
    return results
