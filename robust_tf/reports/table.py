"""A table is a list of columns; text tables for a terminal and for Markdown."""

import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

from robust_tf.data.text_lines import visible

MISSING = "-"
COLUMNS = 100  # of a terminal
WIDEST = 50  # characters of a title that stands in every part of a wide table


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        title: Heading of the column.
        get: function (item) -> value of the cell, None where there is none.
        form: how the value is written: a format specification such as ".2f", or a function.
    """

    title: str
    get: Callable[[Any], Any]
    form: str | Callable[[Any], str] = ""

    def cell(self, item):
        """Returns the cell of an item as str."""
        value = self.get(item)
        if value is None:
            return MISSING
        return self.form(value) if callable(self.form) else format(value, self.form)


def filled(columns, items):
    """Returns (header, lines) of a table, tuples of str; a line per item."""
    header = tuple(column.title for column in columns)
    return header, [tuple(column.cell(item) for column in columns) for item in items]


def text_table(columns, items):
    """Returns the table as aligned text, one line per item."""
    return aligned(*filled(columns, items))


def aligned(header, rows):
    """Returns aligned text for a terminal, one line per row.

    A table that is wider than `COLUMNS` goes on below itself, with its first column repeated.

    Args:
        header: tuple of str.
        rows: list of tuples of str.
    """
    columns = [[*map(visible, column)] for column in zip(header, *rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    blocks, used = [[0]], widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if used + 2 + width > COLUMNS and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(place)
        used += 2 + width
    return "\n\n".join(_block([columns[place] for place in block]) for block in blocks)


def with_narrow_titles(rows):
    """Yields the rows of a table, tuples of str; a long first cell goes on in a row below.

    Otherwise each column of a wide table stands alone.
    """
    for title, *others in rows:
        parts = textwrap.wrap(title, WIDEST, subsequent_indent="  ", break_on_hyphens=False)
        yield (parts[0], *others)
        yield from ((part, *[""] * len(others)) for part in parts[1:])


def _block(columns):
    widths = [max(map(len, column)) for column in columns]
    lines = list(zip(*columns, strict=True))
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown(header, rows):
    """Returns a Markdown table; takes the arguments of `aligned`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
