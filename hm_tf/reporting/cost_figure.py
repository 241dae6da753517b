"""Figures 6 to 8 of HM: ERS and R@1 against the cost of training."""

from hm_tf.reporting.comparability import differing_settings
from hm_tf.reporting.recorded_scores import SCORE
from robust_tf.reports.line_figure import Line, Panel, line_figure

TABLES = {6: "table3", 7: "table4", 8: "table5"}
# What figures 7 and 8 compare with: sweeps that stand in another table.
BESIDE = {7: "table3/HM[S,M]/", 8: "table4/HM[S,gLGA]/"}
COSTS = (1, 3, 5, 9, 17, 33)  # eta + 1
FEWEST = 3  # points of a line


def cost_figures(rows, runs, resolve):
    """Returns dict name -> (figure, alternative text, caption) of figures 6 to 8.

    Runs without the score, or collapsed, or with settings that no row of a figure's sweeps has, are
    left out there; eta may be any.

    Args:
        rows: list of `PublishedRow`, of all tables.
        runs: list of `ReportedRun`.
        resolve: function (flags of a row) -> dict of all flags of the training.
    """
    scored = [run for run in runs if SCORE in run.values and not run.collapsed]
    figures = {}
    for number, table in TABLES.items():
        # Rows named after a setting are not of the sweeps.
        beginnings = (f"{table}/", *([BESIDE[number]] if number in BESIDE else []))
        own = [
            r for r in rows if r.name.startswith(beginnings) and r.values and "=" not in r.defense
        ]
        published = [resolve(row.flags) for row in own] if scored else []
        shown = [run for run in scored if any(_in_sweep(run, flags) for flags in published)]
        figures[f"figure{number}"] = _figure(number, table, own, shown)
    return figures


def _in_sweep(run, published):
    return differing_settings(run.recorded.flags, published) <= {"pgd_steps"}


def _figure(number, table, own, shown):
    panels = {
        column: Panel("training cost, η + 1 passes per update", label, _lines(own, shown, column))
        for column, label in ((SCORE, "ERS"), ("R@1", "R@1 (%)"))
    }
    ours = ", marks: our runs" if shown else ""
    title = f"HM, figure {number}. Lines: the paper, CUB{ours}"
    figure = line_figure(title, list(panels.values()), ticks=COSTS)
    said = [f"{line.label} {_ends(line)}" for line in panels[SCORE].lines]
    alt = f"Figure {number}, ERS and R@1 against training cost; ERS of {'; '.join(said)}"
    caption = f"Figure {number} of the paper, the sweeps of its {table.replace('table', 'table ')}."
    if shown:
        caption += f" Our marks are of {shown[0].dataset}: their height cannot be compared."
    return figure, alt, caption


def _ends(line):
    """The first and last value, in words."""
    first = f"{line.y[0]:.1f} at cost {line.x[0]}"
    return first if len(line.y) == 1 else f"{first}, {line.y[-1]:.1f} at cost {line.x[-1]}"


def _lines(rows, runs, column):
    sweeps = {}
    for row in rows:
        if row.eta is None:
            sweeps[row.defense] = {0: row.values[column]}
        else:
            sweeps.setdefault(row.defense, {})[row.eta] = row.values[column]
    lines = [
        Line(defense, [1 + eta for eta in sorted(sweep)], [sweep[eta] for eta in sorted(sweep)])
        for defense, sweep in sweeps.items()
        if len(sweep) >= FEWEST or 0 in sweep
    ]
    marks = [
        Line(f"ours: {r.name}, {r.dataset}", [r.cost], [r.values[column]], False) for r in runs
    ]
    return lines + marks
