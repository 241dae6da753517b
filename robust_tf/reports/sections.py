"""Sections of a report page that both papers have: checks, training, settings.

A run is anything with `name`, str, and `recorded`, its `RecordedRun`.
"""

from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.reports.table import MISSING


def add_checks(page, run, *, unit="images", skip=()):
    """Adds the checks of a run, a block per threat model.

    A check of other images than most of its block says so.

    Args:
        page: `Page`.
        run: see above.
        unit: what a check counts: "images" or "queries".
        skip: (name, figure) of the checks to leave out.
    """
    for checks in run.recorded.check_groups():
        n = checks[0]["n"]
        page.paragraph(f"{run.name}: checks of {checks[0]['attack']} on {n:,} {unit}.")
        for check in checks:
            if (check["name"], check["figure"]) in skip:
                continue
            own = f"{check['n']} {unit}"
            other = "" if check["n"] == n or own in check["figure"] else f", measured on {own}"
            advice = "" if check["status"] == "green" else f" → {check['advice']}"
            page.status(check["status"], f"{check['name']}: {check['figure']}{other}{advice}")


def training_figure(runs, quantities):
    """Returns (figure, alternative text, caption); None where no run has logged anything.

    Args:
        runs: list, see above.
        quantities: dict, text of the y axis -> names of the metric; a run has one of them.
    """
    metrics = {run.name: run.recorded.metrics() for run in runs}
    panels = [
        Panel("update", title, lines)
        for title, names in quantities.items()
        if (lines := [line for run in metrics.items() if (line := _line(*run, names))])
    ]
    if not panels:
        return None
    shown = ", ".join(panel.ylabel for panel in panels)
    alt = f"{shown}, against the number of updates: {', '.join(metrics)}"
    return line_figure("training", panels), alt, "Course of training, means between log lines."


def add_training(page, runs, figure, command):
    """Adds the curves of the training, and every flag and version.

    Args:
        page: `Page`.
        runs: list, see above.
        figure: what `training_figure` returns.
        command: str, the module that trained the runs.
    """
    page.section("Training and settings")
    if figure:
        page.figure(figure[0], alt=figure[1], caption=figure[2])
    for run in runs:
        _add_settings(page, run.name, run.recorded, command)


def _add_settings(page, name, recorded, command):
    config = recorded.config
    with page.details(f"{name}: settings and versions"):
        page.code(f"python -m {command} --flagfile={recorded.path / 'flags.txt'}")
        versions = {"commit": config.get("commit"), **config["versions"]}
        versions["weights, SHA-256"] = recorded.results[-1].weights_hash
        page.table(("of the training", "version"), _lines(versions))
        page.table(("flag", "value"), _lines(config["flags"]))


def _lines(values):
    return [(name, MISSING if value is None else str(value)) for name, value in values.items()]


def _line(run, records, names):
    name = next((name for name in names if any(name in record for record in records)), None)
    points = [(record["step"], record[name]) for record in records if name in record]
    return Line(run, *map(list, zip(*points))) if points else None
