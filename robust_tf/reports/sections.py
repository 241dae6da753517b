"""Sections of a report page that both papers have: checks, training, settings.

`page` is a `Page`, `runs` a list of `ReportedRun`.
"""

from robust_tf.checks.sanity_checks import NOT_RUN
from robust_tf.reports.comparability import words
from robust_tf.reports.html_table import Mark
from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.reports.recorded_run import without_places
from robust_tf.reports.table import MISSING
from robust_tf.runs.provenance import facts_of
from robust_tf.threat_model import format_magnitude

FEW = 3  # runs that are named one by one


def named(some, runs):
    """Returns the names of `some` of the runs of a page, or how many they are if they are all."""
    if len(some) > FEW and len(some) == len(runs):
        return f"all {len(runs)} runs"
    return ", ".join(run.name for run in some)


def keep_commands(page, what, runs, command, *flags):
    """Keeps the command that makes what runs lack; of many runs once, for any of them.

    Args:
        page, runs: see above; the runs without it.
        what: str, the beginning of a sentence: "Checks of".
        command: words of the command.
        *flags: its flags but `--workdir`.
    """
    places = [(run.name, run.recorded.path) for run in runs]
    for name, path in places if len(runs) <= FEW else [(f"{len(runs)} runs", "RUN")]:
        page.keep_command(f"{what} {name}.", *command, f"--workdir={path}", *flags)


def add_checks(page, runs, doubts=(), *, unit="images", skip=()):
    """Adds a grid of runs and checks, every amber and red check in full, and all of them folded.

    Args:
        page, runs: see above.
        doubts: (level, text) of what else doubts the numbers.
        unit: what a check counts: "images" or "queries".
        skip: (run, name, figure) of the checks to leave out.
    """
    page.section("Can the numbers be believed?")
    for doubt in doubts:
        page.status(*doubt)
    if without := unchecked(runs):
        page.paragraph(f"No checks were made of {named(without, runs)}.")
    groups = {}
    for run in runs:
        of_run = run.recorded.check_groups()
        for group in of_run:
            checks = [c for c in group if (run.name, c["name"], c["figure"]) not in skip]
            title = f"{run.name}{_ball(group[0]) if len(of_run) > 1 else ''}"
            groups |= {title: {c["name"]: c for c in checks}} if checks else {}
    names = dict.fromkeys(name for checks in groups.values() for name in checks)
    if not names:
        return
    lines = [(title, *(_status(checks.get(n)) for n in names)) for title, checks in groups.items()]
    page.table(
        ("run", *names),
        lines,
        caption="checks of each run; amber and red are explained below",
        kind="upright",
    )
    for name in names:
        for level in ("red", "amber"):
            of_level = {
                title: checks[name]
                for title, checks in groups.items()
                if checks.get(name, {}).get("status") == level
            }
            if of_level:
                figures = "; ".join(
                    f"{t}: {_figure(c, groups[t], unit)}" for t, c in of_level.items()
                )
                advice = next(iter(of_level.values()))["advice"]
                page.status(level, f"{name}. {figures} → {advice}")
    with page.details("All checks with their figures"):
        for title, checks in groups.items():
            first = next(iter(checks.values()))
            about = f"{title}: checks of {first['attack']} on {first['n']:,} {unit}"
            lines = [(n, _status(c), _figure(c, checks, unit)) for n, c in checks.items()]
            page.table(("check", "status", "figure"), lines, caption=about)


def unchecked(runs):
    """Returns the runs without a check."""
    return [run for run in runs if not run.recorded.check_groups()]


def _figure(check, checks, unit):
    """What a check found; one of other images than the first of its run says so."""
    own, first = f"{check['n']} {unit}", next(iter(checks.values()))
    alike = check["n"] == first["n"] or own in check["figure"]
    return f"{check['figure']}{'' if alike else f', measured on {own}'}"


def _status(check):
    if check is None:
        return MISSING
    return Mark(NOT_RUN if check["figure"] == NOT_RUN else check["status"], check["status"])


def _ball(check):
    threat = check.get("threat_model")
    return f", {threat['norm']} {format_magnitude(threat['eps'])}" if threat else ""


def training_figure(methods, quantities):
    """Returns (figure, caption); None where no run has logged anything.

    The seeds of a method have one colour.

    Args:
        methods: list of `Method`.
        quantities: dict, text of the y axis -> names of the metric; a run has one of them. A text
            with "in %" is of a share.
    """
    metrics = [(method.name, run.metrics()) for method in methods for run in method.runs]
    panels = [
        Panel("update", title, lines)
        for title, names in quantities.items()
        if (lines := [line for run in metrics if (line := logged_line(*run, names, title))])
    ]
    if not panels:
        return None
    return line_figure("training", panels), "Course of training, means between log lines."


def add_training(page, runs, figure):
    """Adds the curves that `training_figure` has returned, and every flag and version."""
    page.section("Training and settings")
    if figure:
        page.figure(figure[0], caption=figure[1])
    for run in runs:
        recorded = run.recorded
        with page.details(f"{run.name}: settings and versions"):
            segments = recorded.segments()
            facts = [facts_of(segment) for segment in segments]
            names = dict.fromkeys(name for values in facts for name in values)
            rows = [(name, *(str(values.get(name, MISSING)) for values in facts)) for name in names]
            rows.append(("weights, SHA-256", *[recorded.results[-1].weights_hash] * len(facts)))
            page.table(("training from update", *(f"{s['after'] + 1:,}" for s in segments)), rows)
            flags = without_places(recorded.flags).items()
            lines = [(name, words(value)) for name, value in flags]
            page.table(("flag", "value"), lines)


def logged_line(label, records, names, title=""):
    """Returns the `Line` of the first of the metrics that was logged, None where none was.

    Args:
        label: str, in the legend.
        records: list of the lines of metrics.jsonl, dicts.
        names: list of str.
        title: see `training_figure`.
    """
    scale = 100 if "in %" in title else 1
    name = next((name for name in names if any(name in record for record in records)), None)
    points = [(record["step"], scale * record[name]) for record in records if name in record]
    return Line(label, *map(list, zip(*points))) if points else None
