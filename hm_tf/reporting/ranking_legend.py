"""The legend of an evaluation's table, and the share of queries correct under all R@1 attacks."""

import textwrap

from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.robustness_score import directions
from hm_tf.reporting.recorded_scores import PLACES, RAW
from robust_tf.reports.result_tables import interval, radius
from robust_tf.reports.table import aligned
from robust_tf.threat_model import format_magnitude

WIDTH = 100
# More intervals of two numbers make a line too wide.
MOST_IN_A_LINE = 5
ENDS = ("low", "high")
_ALL = {2: "both", 3: "all three"}


def intervals(rows, names):
    """Returns a table of the 95 % intervals of the columns that have them in all rows, "" if none.

    Args:
        rows: list of `ScoreRow`.
        names: names of the columns shown.
    """
    shown = [name for name in names if all(_interval(row, name) for row in rows)]
    if not shown:
        return ""
    lines = []
    for row in rows:
        place, cells = f"{row.mode} {row.strength}", [_interval(row, name) for name in shown]
        if len(shown) <= MOST_IN_A_LINE:
            lines.append((place, *cells))
            continue
        ends = zip(*(cell.split(" to ") for cell in cells))
        lines += [(f"{place}, {end}", *of_end) for end, of_end in zip(ENDS, ends)]
    how = "intervals over queries: Wilson's of a share, else by bootstrap"
    return f"{aligned(('95 % interval', *shown), lines)}\n{how}"


def _interval(row, name):
    """The 95 % interval of a column as text, None where the record has none."""
    form = interval(2) if name in RAW else interval(1, 100.0)
    return form(row.records[PLACES[name]]) if name in row.values else None


def notes(rows, names):
    """Returns the lines below the table; takes the arguments of `intervals`."""
    lines = [*_worst_cases(rows), *_strengths(rows), *directions(names)]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _worst_cases(rows):
    values, over = {}, ()
    for row in rows:
        if found := row.records.get((WORST_CASE, "R@1")):
            over = found.attack_settings["over"]
            values.setdefault(row.mode, []).append(f"{row.strength} {100 * found.value:.1f} %")
    for mode, shares in values.items():
        attacks = f"{_ALL[len(over)]}, {', '.join(over)}"
        yield f"correct under {attacks} ({mode}): {', '.join(shares)}"


def _strengths(rows):
    said = {}
    for row in rows:
        said.setdefault(row.strength, row.results[0])
    for strength, result in said.items():
        yield f"{strength}: {_HOW[strength](result)}"
    if any(
        (row.mode, row.strength) == ("compat", "strong") and "ES:D" in row.values for row in rows
    ):
        yield "compat: ES:D of the protocol is one step early, as the authors'; of APGD it is final"


def _protocol(result):
    settings, eps = result.attack_settings, radius(result.threat_model)
    size = format_magnitude(settings["step_size"])
    steps = f"{settings['steps']} step{'s' * (settings['steps'] != 1)} of {size}"
    gallery = f" in {settings['gallery']:,} images" if "gallery" in settings else ""
    start = "from the image itself"
    return f"{result.n:,} queries{gallery}, seed {result.seed}, eps {eps}, {steps} {start}"


def _strong(result):
    settings = result.attack_settings
    starts = (
        "1 random start" if settings["restarts"] == 1 else f"{settings['restarts']} random starts"
    )
    runs = f"{starts} of {settings['steps']} adaptive steps"
    return (
        f"per query the highest objective of the protocol and {runs}; what is not the objective, "
        "as ES:R, may rise with it, only worst may not"
    )


def _standard(result):
    members = " and ".join(result.attack_settings["members"])
    return (
        f"per query and column the worst for the defender under {members}; {result.n:,} queries, "
        f"seed {result.seed}, eps {radius(result.threat_model)}"
    )


_HOW = {
    "standard": _standard,
    "protocol": _protocol,
    "strong": _strong,
    "worst": lambda result: "of the same images, per query and column the worst for the defender",
    "transfer": lambda result: f"made on {result.attack_settings['substitute']}, tried here",
}
