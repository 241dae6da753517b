"""Tables 2 to 11 of the HM paper with our runs among their rows, made of stored results only."""

from hm_tf.evaluation.recorded_scores import ALL, SCORE, text
from hm_tf.reporting.comparability import differing_settings
from hm_tf.reporting.paper_comparison import DATASETS, beside, number
from hm_tf.triplets import SYMBOLS
from robust_tf.reports.comparison import DIFFERENCE, OURS
from robust_tf.reports.result_tables import marked

TITLES = {
    2: "Table 2: source and destination samplers, R@1 / ERS",
    3: "Table 3: HM against ACT",
    4: "Table 4: destination functions",
    5: "Table 5: intra-class structure",
    6: "Table 6: three data sets",
    7: "Table 7: clipping constant u",
    8: "Table 8: weight of ICS on SOP",
    9: "Table 9: non-linear gradual adversary",
    10: "Table 10: margin of ICS",
    11: "Table 11: source and destination samplers, all columns",
}


def paper_table(number, rows, runs):
    """Returns (header, lines, names of the runs shown) of a table.

    Below a row stand our runs with its settings, and the difference. Runs on data that the paper
    does not have stand below the rows of CUB, without a difference.

    Args:
        number: 2 to 11.
        rows: list of `PublishedRow`, of all tables.
        runs: list of `ReportedRun`.
    """
    own = [row for row in rows if row.name.split("/")[0] == f"table{number}"]
    if number == 2:
        return _matrix(own, runs)
    lines, shown = [], set()
    for row in own:
        cells = [f"{text(name, row.values.get(name))}{row.mark(name)}" for name in ALL]
        if row.collapse:
            cells[0] = "collapse"
        lines.append((_title(row), *cells))
        for run in _of_row(row, runs):
            lines += _ours(row, run)
            shown.add(run.name)
    return ("defense, η", *ALL), lines, shown


def _title(row):
    eta = f", {row.eta}" if row.eta else ""
    return f"{row.dataset} {row.defense}{eta}"


def _of_row(row, runs):
    """The runs with the settings of a row."""
    # On CUB's rows also what the paper has no data set for.
    others = {run.dataset for run in runs} - set(DATASETS.values()) if row.dataset == "CUB" else ()
    same = [run for run in runs if run.dataset in {DATASETS[row.dataset], *others}]
    return [run for run in same if not differing_settings(run.recorded.flags, row)]


def _ours(row, run):
    numbers = [number(row, run, name, name) for name in ALL]
    yield (f"ours: {run.name}, {_data(row, run)}", *map(OURS.cell, numbers))
    yield ("difference", *map(DIFFERENCE.cell, numbers))


def _matrix(rows, runs):
    symbols, shown, lines = list(SYMBOLS.values()), set(), []
    for source in symbols:
        cells = []
        for destination in symbols:
            row = next(r for r in rows if r.defense == f"HM[{source},{destination}]")
            pairs = [_pair(row.values) if row.values else "collapse"]
            for run in _of_row(row, runs):
                pair = _pair(run.values, run.collapsed)
                doubted = [run.records[name] for name in ("R@1", SCORE) if name in run.records]
                pairs.append(f"ours, {_data(row, run)}: {marked(pair, doubted)}")
                shown.add(run.name)
            cells.append("; ".join(pairs))
        lines.append((source, *cells))
    return ("source \\ destination", *symbols), lines, shown


def _data(row, run):
    """The data of a run, and whether its numbers are no numbers of the row."""
    return f"{run.dataset}{', not comparable' if beside(row, run).differences else ''}"


def _pair(values, collapsed=False):
    score = "collapsed" if collapsed else text(SCORE, values.get(SCORE))
    return f"{text('R@1', values.get('R@1'))} / {score}"
