"""Paper and ours on a page: what differs in the settings stands once, below the table."""

from tla_tf.reporting.comparison import COMPARABLE, HEADER

METRIC = HEADER.index("metric")


def add_comparisons(page, comparisons, caption):
    """Adds a table, and one line for every set of settings that differs from the paper.

    Args:
        page: `Page`.
        comparisons: list of `Comparison`, not empty.
        caption: str.
    """
    notes = list(dict.fromkeys(c.differences for c in comparisons if c.differences))
    marks = {differences: f"no ({number})" for number, differences in enumerate(notes, start=1)}
    lines = [
        (_method(c), *c.line()[1:-1], marks.get(c.differences, COMPARABLE)) for c in comparisons
    ]
    doubt = "; ?: the paper contradicts itself there" if _doubtful(comparisons) else ""
    table = [("method", *HEADER[1:]), *lines]
    if len({line[METRIC] for line in lines}) == 1:
        table = [(*line[:METRIC], *line[METRIC + 1 :]) for line in table]
    page.table(table[0], table[1:], caption=f"{caption}{doubt}")
    for number, differences in enumerate(notes, start=1):
        page.paragraph(f"({number}) Not comparable: {'; '.join(differences)}.")


def _method(comparison):
    row = comparison.row
    radius = f", eps {row.eps}" if row.name.endswith(row.eps) else ""
    return f"{row.method.upper().replace('_', '-')}{radius}"


def _doubtful(comparisons):
    return any(comparison.cell.doubtful for comparison in comparisons)
