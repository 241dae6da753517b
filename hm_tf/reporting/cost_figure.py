"""Figures 1 and 6 to 8 of HM: ERS and R@1 against the cost of training, and against each other.

The paper's sweeps are lines, our runs on the same data are marks in the colour of their method. The
seeds of a method have the same mark. Runs on other data have panels of their own, since their
height cannot be compared.
"""

from hm_tf.evaluation.recorded_scores import SCORE
from hm_tf.reporting.comparability import differing_settings
from hm_tf.reporting.paper_comparison import DATASETS
from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.reports.methods import names_by_weights

# Beginnings of the rows of each figure. The sweeps of figures 7 and 8 stand in several tables.
ROWS = {
    1: ("table3/N/A[R]", "table3/ACT[R]/", "table6/CUB/EST[R]/", "table5/HM[S,gLGA]&ICS/"),
    6: ("table3/",),
    7: ("table4/", "table3/HM[S,M]/"),
    8: ("table5/", "table4/HM[S,gLGA]/"),
}
COSTS = (1, 3, 5, 9, 17, 33)  # eta + 1
COST = "training cost, η + 1 passes per update"
LABELS = {SCORE: "ERS", "R@1": "R@1 (%)"}
FEWEST = 2  # points of a line
PAPER_DATA = "CUB"


def cost_figures(rows, runs, methods=()):
    """Returns dict name -> (figure, alternative text, caption) of figures 1 and 6 to 8.

    Left out are runs without score or R@1 and collapsed runs. Each figure leaves out runs with
    settings that no row of its sweeps has; eta may be any.

    Args:
        rows: list of `PublishedRow`, of all tables.
        runs: list of `ReportedRun`.
        methods: list of `Method`; the seeds of a method have one mark.
    """
    names = names_by_weights(methods)
    scored = [run for run in runs if LABELS.keys() <= run.values.keys() and not run.collapsed]
    figures = {}
    for number, beginnings in ROWS.items():
        # Rows named after a setting are not of the sweeps.
        own = [
            r for r in rows if r.name.startswith(beginnings) and r.values and "=" not in r.defense
        ]
        shown = [
            run
            for run in scored
            if any(differing_settings(run.recorded.flags, r) <= {"pgd_steps"} for r in own)
        ]
        figures[f"figure{number}"] = _figure(number, own, shown, names)
    return figures


def _figure(number, own, shown, names):
    same = [run for run in shown if run.dataset == DATASETS[PAPER_DATA]]
    others = {}
    for run in shown:
        if run not in same:
            others.setdefault(run.dataset, []).append(run)
    panels = _balance if number == 1 else _against_cost
    drawn = panels(_sweeps(own), same, PAPER_DATA, names)
    for dataset, runs in others.items():
        drawn += panels({}, runs, f"our runs on {dataset}", names)
    marks = "; marks: our runs" if shown else ""
    title = f"HM, figure {number}. Lines: {PAPER_DATA} as published{marks}"
    figure = line_figure(title, drawn, ticks=None if number == 1 else COSTS)
    said = [f"{line.label} {_ends(line)}" for panel in drawn for line in panel.lines]
    alt = f"Figure {number}, {drawn[0].ylabel} against {drawn[0].xlabel}; {'; '.join(said)}"
    return figure, alt, _caption(number, others)


def _caption(number, others):
    if number == 1:
        about = "R@1 and ERS of the methods; the small numbers are passes per update, η + 1."
    else:
        about = f"Figure {number} of the paper: what more steps of the inner attack bring and cost."
    if others:
        about += f" Runs on {', '.join(others)} have axes of their own: other data, other numbers."
    return about


def _sweeps(rows):
    """Method -> dict cost -> values of a published row, by rising cost."""
    sweeps = {}
    for row in sorted(rows, key=lambda row: row.eta or 0):
        sweeps.setdefault(row.defense, {})[1 + (row.eta or 0)] = row.values
    return {m: sweep for m, sweep in sweeps.items() if len(sweep) >= FEWEST or 1 in sweep}


def _against_cost(sweeps, runs, place, names):
    """A panel for ERS and one for R@1, against the cost."""
    panels = []
    for column, label in LABELS.items():
        lines = [
            Line(method, list(sweep), [values[column] for values in sweep.values()])
            for method, sweep in sweeps.items()
        ]
        lines += [_mark(run, [run.cost], [run.values[column]], names) for run in runs]
        panels.append(Panel(COST, f"{label}, {place}", lines))
    return panels


def _balance(sweeps, runs, place, names):
    """One panel: the score against R@1, the cost beside every point."""
    lines = [
        Line(
            method,
            [values["R@1"] for values in sweep.values()],
            [values[SCORE] for values in sweep.values()],
            notes=tuple(map(str, sweep)),
        )
        for method, sweep in sweeps.items()
    ]
    for run in runs:
        mark = _mark(run, [run.values["R@1"]], [run.values[SCORE]], names)
        lines.append(mark._replace(notes=(str(run.cost),)))
    return [Panel("R@1 (%)", f"ERS, {place}", lines)]


def _mark(run, x, y, names):
    name = names.get(run.recorded.results[0].weights_hash)
    return Line(f"ours: {name or run.name}", x, y, joined=False, method=name or run.method)


def _ends(line):
    """The first and last point, in words."""
    first = f"{line.y[0]:.1f} at {line.x[0]:g}"
    return first if len(line.y) == 1 else f"{first}, {line.y[-1]:.1f} at {line.x[-1]:g}"
