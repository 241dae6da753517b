"""Methods against attacks, over seeds, as a Markdown table made of stored results only."""

import collections
import statistics


def method_table(results):
    """Returns one row per (method, model), one column per attack, of the results of one dataset.

    A cell is the accuracy in percent; with several training seeds mean +- sample standard deviation.
    A measurement that was repeated counts once, with its latest value.

    Args:
        results: list of `Result` of one dataset.
    """
    attacks = list(dict.fromkeys(result.column for result in results))
    cells = collections.defaultdict(dict)
    for result in results:
        where = (result.method, result.model), result.column
        cells[where][result.training_seed] = 100 * result.value
    rows = list(dict.fromkeys((result.method, result.model) for result in results))
    lines = [["method", "model", "seeds", "n", *attacks], ["---"] * (4 + len(attacks))]
    for method, model in rows:
        of_row = [r for r in results if (r.method, r.model) == (method, model)]
        seeds = len({r.training_seed for r in of_row})
        images = "/".join(sorted({f"{r.n:,}" for r in of_row}))
        values = [_cell(list(cells[(method, model), attack].values())) for attack in attacks]
        lines.append([method, model, str(seeds), images, *values])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(values):
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"
