"""Methods against attacks or metrics, over seeds, as a Markdown table of stored results only."""

import collections
import statistics

from robust_tf.reports.table import markdown


def method_table(results):
    """Returns one row per (method, model, n), one column per measurement, of one dataset.

    A cell is the value in percent; with several training seeds mean +- sample standard deviation,
    and how many where the row has more. A measurement that was repeated counts once, with its
    latest value.

    Args:
        results: list of `Result` of one dataset.
    """
    columns = list(dict.fromkeys(map(_column, results)))
    rows = collections.defaultdict(lambda: collections.defaultdict(dict))
    for result in results:
        row = rows[result.method, result.model, result.n]
        row[_column(result)][result.training_seed] = 100 * result.value
    lines = []
    for (method, model, n), row in rows.items():
        seeds = len({seed for values in row.values() for seed in values})
        cells = [_cell(list(row[column].values()), seeds) for column in columns]
        lines.append([method, model, str(seeds), f"{n:,}", *cells])
    return markdown(["method", "model", "seeds", "n", *columns], lines)


def _column(result):
    if result.metric == "accuracy":
        return result.column
    return result.metric if result.attack == "clean" else f"{result.attack} {result.metric}"


def _cell(values, seeds):
    if not values:
        return "-"
    fewer = f" ({len(values)} of {seeds} seeds)" if len(values) < seeds else ""
    if len(values) == 1:
        return f"{values[0]:.2f}{fewer}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}{fewer}"
