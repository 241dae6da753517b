"""The accuracies of runs as entries of the matrix of methods and attacks."""

from robust_tf.reports.matrix import Entry, matrix, methods_of
from robust_tf.reports.outcomes import Outcomes
from tla_tf.options import TRAIN
from tla_tf.reporting.comparable_runs import method_name


def accuracy_matrix(runs):
    """Returns (list of `Method`, list of `Row`) of the accuracies.

    Of the worst cases only those over the most attacks are shown.

    Args:
        runs: list of `RecordedRun` with results.
    """
    titles = [method_name(run.results[0].method) for run in runs]
    methods, rows = methods_of(runs, titles, compared), []
    for row in matrix(methods, _entries):
        rows = [other for other in rows if not _covers(row, other)]
        rows += [] if any(_covers(other, row) for other in rows) else [row]
    return methods, rows


def compared(flags):
    """Returns the flags that a training reads; its method stands in the name."""
    undefended = {"eps", "norm"} if flags.get("method") == "um" else set()
    return flags.keys() - TRAIN.not_compared(flags) - {"method"} - undefended


def _covers(row, other):
    """Whether a worst case is over more attacks than another one, for the same methods."""
    return bool(other.over) and set(other.over) < set(row.over) and row.missing == other.missing


def _entries(run):
    outcomes = Outcomes(run)
    for result in run.results:
        if result.metric == "accuracy" and not result.after:
            yield Entry(_title(result), result, outcomes.of(result))


def _title(result):
    over = result.attack_settings.get("over")
    return f"{result.attack} of {len(over)}" if over else result.attack
