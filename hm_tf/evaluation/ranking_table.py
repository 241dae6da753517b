"""Clean retrieval, the ten attack columns and ERS as text, made of stored results only."""

import textwrap

from hm_tf.evaluation.ranking_legend import WIDTH, interval, intervals, notes
from hm_tf.evaluation.robustness_score import COLUMNS, printed
from robust_tf.reports.result_tables import doubt_lines
from robust_tf.reports.table import aligned

SCORE = ("ERS", "ERS")


def ranking_table(results):
    """Returns the table of one evaluation, at most 100 columns wide; a score never stands alone.

    Args:
        results: List of `Result` of one network; the results of a row share mode and strength.
    """
    clean = [result for result in results if result.attack == "clean"]
    rows = _rows(results)
    said = (textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in doubt_lines(results))
    parts = [_clean(clean) if clean else "", "\n".join(said)]
    if rows:
        columns, names = _columns(rows)
        parts += [_attacked(rows, columns, names), intervals(rows, columns), notes(rows, names)]
    return "\n\n".join(filter(None, parts))


def _clean(clean):
    names = [result.metric for result in clean]
    cells = [f"{100 * result.value:.1f}" for result in clean]
    header = ("clean %", *names, "n", f"{names[0]}, 95 %")
    return aligned(header, [("", *cells, f"{clean[0].n:,}", interval(clean[0]))])


def _rows(results):
    """(strength, mode) -> (attack, metric) -> Result, modes one after the other."""
    rows = {}
    for result in results:
        if result.attack != "clean":
            settings = result.attack_settings
            row = rows.setdefault((settings["mode"], settings["strength"]), {})
            row[result.attack, result.metric] = result
    return rows


def _columns(rows):
    """The `Column`s that were measured, and the names of all that are shown."""
    found = {place for row in rows.values() for place in row}
    columns = [c for c in COLUMNS if (c.attack, c.measure) in found]
    return columns, [column.name for column in columns] + (["ERS"] if SCORE in found else [])


def _attacked(rows, columns, names):
    lines = []
    for (mode, strength), row in rows.items():
        lines.append((mode, strength, *_cells(row, columns)))
        if strength == "strong":
            before = rows.get((mode, "protocol"))
            if before:
                lines.append((mode, "change", *_changes(before, row, columns)))
    return aligned(("mode", "strength", *names), lines)


def _cells(row, columns):
    cells = [_text(c, printed(c, row[c.attack, c.measure].value)) for c in columns]
    if SCORE in row:
        cells.append("collapsed" if _collapsed(row) else f"{100 * row[SCORE].value:.1f}")
    return cells


def _changes(before, after, columns):
    """Of each column, and the fall of the score, from the protocol to the strong attack."""
    cells = []
    for column in columns:
        place = column.attack, column.measure
        change = printed(column, after[place].value) - printed(column, before[place].value)
        cells.append(_text(column, change, "+"))
    if SCORE in after:
        fall = 100 * (after[SCORE].value - before[SCORE].value)
        cells.append("-" if _collapsed(after) else f"{fall:+.1f}")
    return cells


def _text(column, value, sign=""):
    return f"{value:{sign}.1f}" if column.percent else f"{value:{sign}.3f}"


def _collapsed(row):
    return row[SCORE].attack_settings["collapsed"]
