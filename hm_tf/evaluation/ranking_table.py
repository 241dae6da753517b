"""Clean retrieval, the ten attack columns and ERS as text, made of stored results only."""

import textwrap

from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.recorded_scores import ATTACKED, PLACES, RAW, SCORE, evaluations, text
from hm_tf.evaluation.robustness_score import directions
from robust_tf.reports.result_tables import doubt_lines, interval, radius
from robust_tf.reports.table import COLUMNS, MISSING, aligned
from robust_tf.threat_model import format_magnitude

# More intervals of two numbers make a line too wide.
MOST_IN_A_LINE = 5
ENDS = ("low", "high")
_ALL = {2: "both", 3: "all three"}


def ranking_table(results):
    """Returns the table of one evaluation, at most 100 columns wide; a score never stands alone.

    Args:
        results: list of `Result` of one network; the results of a row share mode and strength.
    """
    clean = [result for result in results if result.attack == "clean"]
    rows = evaluations(results)
    names = [name for name in (*ATTACKED, SCORE) if any(name in row.values for row in rows)]
    parts = [_clean(clean) if clean else "", _wrapped(doubt_lines(results))]
    if rows:
        notes = _wrapped([*_worst_cases(rows), *_strengths(rows), *directions(names)])
        parts += [_attacked(rows, names), _intervals(rows, names), notes]
    return "\n\n".join(filter(None, parts))


def _clean(clean):
    names = [result.metric for result in clean]
    cells = [f"{100 * result.value:.1f}" for result in clean]
    header = ("clean %", *names, "n", f"{names[0]}, 95 %")
    share = interval(1, 100.0)(clean[0]) or MISSING
    return aligned(header, [("", *cells, f"{clean[0].n:,}", share)])


def _attacked(rows, names):
    lines, protocol = [], {row.mode: row for row in rows if row.strength == "protocol"}
    for row in rows:
        lines.append((row.mode, row.strength, *map(row.cell, names)))
        if row.strength == "strong" and row.mode in protocol:
            changes = (_change(name, protocol[row.mode], row) for name in names)
            lines.append((row.mode, "change", *changes))
    return aligned(("mode", "strength", *names), lines)


def _change(name, before, after):
    """The change of a column from the protocol to the strong attack, of the score its fall."""
    if name == SCORE and after.collapsed:
        return MISSING
    return text(name, after.values[name] - before.values[name], "+")


def _intervals(rows, names):
    """The 95 % intervals of the columns that have them in all rows, "" without any."""
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
    """The 95 % interval of a column as text, None where the record has none or no meaning."""
    if name == SCORE and row.collapsed:
        return None
    form = interval(2) if name in RAW else interval(1, 100.0)
    return form(row.records[PLACES[name]]) if name in row.values else None


def _wrapped(lines):
    return "\n".join(textwrap.fill(line, COLUMNS, subsequent_indent="  ") for line in lines)


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
