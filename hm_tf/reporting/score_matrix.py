"""Retrieval, the ten attack columns and ERS as entries of the matrix of methods and attacks."""

from hm_tf.defenses.method_name import USUAL
from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.recorded_scores import (
    ATTACKED,
    CLEAN,
    PLACES,
    SCORE,
    latest_clean,
    paper_row,
    score_rows,
)
from hm_tf.evaluation.robustness_score import COLUMNS, printed, score
from robust_tf.reports.matrix import Entry, matrix
from robust_tf.reports.outcomes import Outcomes

# The name of a method says these already.
_IN_TITLE = {"defense", "source", "destination", "ics", "ics_margin", "loss_bound"} | set(USUAL)


def score_matrix(runs, trainings):
    """Returns the `Matrix` of runs: clean metrics, worst cases, columns, ERS.

    Args:
        runs: list of `RecordedRun` with results.
        trainings: `FlagTable` of `hm_tf.train`.
    """

    def compared(flags):
        """What a training reads and does not stand in a method's name."""
        read = trainings.compared(flags) | ({"held_out", "on_bad_image"} & flags.keys())
        return read - _IN_TITLE

    return matrix(runs, [run.results[0].method for run in runs], compared, _entries)


def _entries(run):
    rows, outcomes = score_rows(run.measured), Outcomes(run)
    shown = paper_row(rows)
    found = latest_clean(run.measured, shown and shown.on.gallery)
    clean = (found[name] for name in CLEAN if name in found)
    yield from (Entry(result.metric, result, outcomes.of(result)) for result in clean)
    for row in rows:
        for result in row.results:
            if result.attack == WORST_CASE:
                over = ", ".join(result.attack_settings["over"])
                title = f"R@1, worst of {over}, {row.mode} {row.strength}"
                yield Entry(title, result, outcomes.of(result))
    for column in COLUMNS if shown else ():
        if result := shown.records.get(PLACES[column.name]):
            scale = 100.0 if column.percent else 1.0
            outcome = outcomes.of(result)
            yield Entry(column.name, result, outcome, scale, column.high_is_robust)
    for row in rows:
        if row.scored:
            title = SCORE if row is shown else f"{SCORE}, {row.mode} {row.strength}"
            of_each = {name: outcomes.of(row.records[PLACES[name]]) for name in ATTACKED}
            outcome = _score_of_each(of_each)
            yield Entry(title, row.records[PLACES[SCORE]], outcome, sums_up=True)


def _score_of_each(outcomes):
    """The score of each query, as `Outcomes.of` returns it: ERS is linear in its columns.

    Args:
        outcomes: dict column -> (float [n], what was measured on), or None.
    """
    measured_on = {of and of[1] for of in outcomes.values()}
    if None in measured_on or len(measured_on) > 1:
        return None
    values = {column.name: printed(column, outcomes[column.name][0]) for column in COLUMNS}
    return score(values) / 100, measured_on.pop()
