"""Clean retrieval, the ten attack columns and ERS as text, made of stored results only."""

import textwrap

from hm_tf.reporting.ranking_legend import WIDTH, intervals, notes
from hm_tf.reporting.recorded_scores import ATTACKED, SCORE, evaluations, text
from robust_tf.reports.result_tables import doubt_lines, interval
from robust_tf.reports.table import MISSING, aligned


def ranking_table(results):
    """Returns the table of one evaluation, at most 100 columns wide; a score never stands alone.

    Args:
        results: List of `Result` of one network; the results of a row share mode and strength.
    """
    clean = [result for result in results if result.attack == "clean"]
    rows = evaluations(results)
    names = [name for name in (*ATTACKED, SCORE) if any(name in row.values for row in rows)]
    said = (textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in doubt_lines(results))
    parts = [_clean(clean) if clean else "", "\n".join(said)]
    if rows:
        parts += [_attacked(rows, names), intervals(rows, names), notes(rows, names)]
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
