"""Methods against attacks or metrics, over seeds, as a Markdown table made of stored results only."""

import collections
import statistics

from robust_tf.reports.table import markdown


def method_table(results):
    """Returns one row per (method, model), one column per measurement, of one dataset.

    A cell is the value in percent; with several training seeds mean +- sample standard deviation.
    A measurement that was repeated counts once, with its latest value.

    Args:
        results: list of `Result` of one dataset.
    """
    columns = list(dict.fromkeys(map(_column, results)))
    cells = collections.defaultdict(dict)
    for result in results:
        where = (result.method, result.model), _column(result)
        cells[where][result.training_seed] = 100 * result.value
    rows = list(dict.fromkeys((result.method, result.model) for result in results))
    lines = []
    for method, model in rows:
        of_row = [r for r in results if (r.method, r.model) == (method, model)]
        seeds = len({r.training_seed for r in of_row})
        images = "/".join(sorted({f"{r.n:,}" for r in of_row}))
        values = [_cell(list(cells[(method, model), column].values())) for column in columns]
        lines.append([method, model, str(seeds), images, *values])
    return markdown(["method", "model", "seeds", "n", *columns], lines)


def _column(result):
    if result.metric == "accuracy":
        return result.column
    return result.metric if result.attack == "clean" else f"{result.attack} {result.metric}"


def _cell(values):
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"
