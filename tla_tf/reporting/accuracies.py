"""The accuracies of runs as entries of the matrix of methods and attacks.

`runs` is a list of `RecordedRun` with results, `trainings` the `FlagTable` of `tla_tf.train`.
"""

from robust_tf.reports.matrix import Entry, matrix
from robust_tf.reports.methods import methods_of
from robust_tf.reports.outcomes import Outcomes
from tla_tf.reporting.comparable_runs import method_name


def accuracy_matrix(runs, trainings):
    """Returns the `Matrix` of the accuracies; a worst case is the one over the most attacks."""
    found = matrix(runs, _titles(runs), _compared(trainings), _entries)
    rows = [row for row in found.rows if not any(_covers(other, row) for other in found.rows)]
    return found._replace(rows=rows)


def methods(runs, trainings):
    """Returns the list of `Method` of the runs."""
    return methods_of(runs, _titles(runs), _compared(trainings))


def _titles(runs):
    return [method_name(run.results[0].method) for run in runs]


def _compared(trainings):
    """Function (flags) -> the flags that a training reads; its method stands in the name."""
    return lambda flags: trainings.compared(flags) - {"method"}


def _covers(row, other):
    """Whether a worst case is over more attacks than another one, for the same methods."""
    return bool(other.over) and set(other.over) < set(row.over) and row.missing == other.missing


def _entries(run):
    outcomes = Outcomes(run)
    for result in run.results:
        if result.metric == "accuracy" and not result.after:
            yield Entry(accuracy_title(result), result, outcomes.of(result))


def accuracy_title(result):
    """Returns the attack of a `Result`; a worst case says over how many."""
    over = result.attack_settings.get("over")
    return f"{result.attack} of {len(over)}" if over else result.attack
