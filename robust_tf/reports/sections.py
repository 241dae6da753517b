"""Sections of a report page that both papers have: checks, training, settings.

A run is anything with `name`, str, and `recorded`, its `RecordedRun`.
"""

from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.reports.page import Mark
from robust_tf.reports.table import MISSING
from robust_tf.runs.provenance import facts_of
from robust_tf.threat_model import format_magnitude


def add_checks(page, runs, *, unit="images", skip=()):
    """Adds a grid of runs and checks, then every amber and red check in full, then all of them.

    Args:
        page: `Page`.
        runs: list, see above.
        unit: what a check counts: "images" or "queries".
        skip: (run, name, figure) of the checks to leave out.
    """
    columns = {}
    for run in runs:
        for group in run.recorded.check_groups():
            shown = [c for c in group if (run.name, c["name"], c["figure"]) not in skip]
            columns.setdefault(run.name, []).append(shown)
    groups = {
        f"{name}{_ball(checks[0]) if len(several) > 1 else ''}": checks
        for name, several in columns.items()
        for checks in several
        if checks
    }
    if not groups:
        return
    found = {title: {c["name"]: c for c in checks} for title, checks in groups.items()}
    names = dict.fromkeys(name for checks in found.values() for name in checks)
    lines = [(name, *(_status(checks.get(name)) for checks in found.values())) for name in names]
    page.table(("check", *found), lines, caption="green: passed; amber and red are explained below")
    for title, checks in groups.items():
        for check in (check for check in checks if check["status"] != "green"):
            page.status(check["status"], f"{title}, {_said(check, checks, unit)}")
    with page.details("All checks with their figures"):
        for title, checks in groups.items():
            attack, n = checks[0]["attack"], checks[0]["n"]
            page.paragraph(f"{title}: checks of {attack} on {n:,} {unit}.")
            for check in checks:
                page.status(check["status"], _said(check, checks, unit))


def _said(check, checks, unit):
    """A check in words; one of other images than the first of its group says so."""
    own = f"{check['n']} {unit}"
    alike = check["n"] == checks[0]["n"] or own in check["figure"]
    advice = "" if check["status"] == "green" else f" → {check['advice']}"
    return f"{check['name']}: {check['figure']}{'' if alike else f', measured on {own}'}{advice}"


def _status(check):
    return Mark(check["status"], check["status"]) if check else MISSING


def _ball(check):
    threat = check.get("threat_model")
    return f", {threat['norm']} {format_magnitude(threat['eps'])}" if threat else ""


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
        segments = recorded.segments()
        facts = [facts_of(segment) for segment in segments]
        names = dict.fromkeys(name for values in facts for name in values)
        rows = [(name, *(str(values.get(name, MISSING)) for values in facts)) for name in names]
        rows.append(("weights, SHA-256", *[recorded.results[-1].weights_hash] * len(facts)))
        page.table(("training from update", *(f"{s['after'] + 1:,}" for s in segments)), rows)
        page.table(("flag", "value"), _lines(config["flags"]))


def _lines(values):
    return [(name, MISSING if value is None else str(value)) for name, value in values.items()]


def _line(run, records, names):
    name = next((name for name in names if any(name in record for record in records)), None)
    points = [(record["step"], record[name]) for record in records if name in record]
    return Line(run, *map(list, zip(*points))) if points else None
