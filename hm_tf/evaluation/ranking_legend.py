"""The legend of an evaluation's table, and the share of queries correct under all R@1 attacks."""

import textwrap

from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.robustness_score import directions
from robust_tf.reports.result_tables import radius
from robust_tf.reports.table import aligned
from robust_tf.threat_model import format_magnitude

WIDTH = 100
# More intervals of two numbers make a line too wide.
MOST_IN_A_LINE = 5
ENDS = ("low", "high")
_ALL = {2: "both", 3: "all three"}


def intervals(rows, columns):
    """Returns a table of the 95 % intervals of the columns that have them in all rows, "" if none.

    Args:
        rows: dict (mode, strength) -> dict (attack, metric) -> `Result`.
        columns: list of the `Column`s shown.
    """
    places = {c.name: (c.attack, c.measure) for c in columns} | {"ERS": ("ERS", "ERS")}
    shown = [
        name
        for name, place in places.items()
        if all(place in row and row[place].interval for row in rows.values())
    ]
    if not shown:
        return ""
    in_percent = {c.name: c.percent for c in columns} | {"ERS": True}
    lines = []
    for place, row in rows.items():
        cells = [interval(row[places[name]], in_percent[name]) for name in shown]
        if len(shown) <= MOST_IN_A_LINE:
            lines.append((" ".join(place), *cells))
            continue
        ends = zip(*(cell.split(" to ") for cell in cells))
        lines += [(f"{' '.join(place)}, {end}", *of_end) for end, of_end in zip(ENDS, ends)]
    how = "intervals over queries: Wilson's of a share, else by bootstrap"
    return f"{aligned(('95 % interval', *shown), lines)}\n{how}"


def interval(result, percent=True):
    """The 95 % interval of a value, in percent or plain; "-" where the record has none."""
    low, high = result.interval or (None, None)
    if low is None:
        return "-"
    return f"{100 * low:.1f} to {100 * high:.1f}" if percent else f"{low:.2f} to {high:.2f}"


def notes(rows, names):
    """Returns the lines below the table.

    Args:
        rows: See `intervals`.
        names: Names of the columns shown.
    """
    lines = [*_worst_cases(rows), *_strengths(rows), *directions(names)]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _worst_cases(rows):
    values, over = {}, ()
    for (mode, strength), row in rows.items():
        if (WORST_CASE, "R@1") in row:
            found = row[WORST_CASE, "R@1"]
            over = found.attack_settings["over"]
            values.setdefault(mode, []).append(f"{strength} {100 * found.value:.1f} %")
    for mode, shares in values.items():
        attacks = f"{_ALL[len(over)]}, {', '.join(over)}"
        yield f"correct under {attacks} ({mode}): {', '.join(shares)}"


def _strengths(rows):
    said = {}
    for (_, strength), row in rows.items():
        said.setdefault(strength, next(iter(row.values())))
    for strength, result in said.items():
        yield f"{strength}: {_HOW[strength](result)}"
    if ("ES", "distance") in rows.get(("compat", "strong"), ()):
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
