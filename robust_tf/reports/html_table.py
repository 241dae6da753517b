"""Tables and grids of small images as HTML. All text is escaped."""

import re
from html import escape
from typing import NamedTuple

import numpy as np

from robust_tf.reports.data_uri import pixels_uri

LEVELS = ("red", "amber", "green")
_NUMBER = re.compile(r"[-+]?(\d[^A-Za-z]*)?")
_LONG = 60  # characters, from which on a cell is broken into lines


class Picture(NamedTuple):
    """A cell of an image grid.

    Attributes:
        pixels: [h, w] or [h, w, 1 or 3], uint8, or float in [0, 1].
        alt: what it shows, for those who do not see it.
        note: shown below it, may be empty.
    """

    pixels: np.ndarray
    alt: str
    note: str = ""


class Mark(NamedTuple):
    """A cell of a table in the colour of a level.

    Attributes:
        text: str.
        level: one of `LEVELS`.
    """

    text: str
    level: str


def table(header, rows, caption, kind):
    """Returns a table that scrolls in its own box.

    Args:
        header: tuple of str.
        rows: list of tuples of str, `Mark` or `Picture`.
        caption: str, above the table, which is its name, too; may be empty.
        kind: class of the table for the style sheet, or "". "grid" is of images, "upright" turns
            the headings of many narrow columns, "matrix" breaks the text of cells to fit.
    """
    kinds = [_kind(column) for column in zip(header, *rows)]
    body = "".join(_row(map(_cell, ["th", *["td"] * len(row)], row, kinds)) for row in rows)
    # Above the box that scrolls, so that it stays whole.
    title = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    head = _row(map(_head, header, kinds))
    name = escape(caption or ", ".join(filter(None, header)))
    # A box that scrolls must be reachable by the keyboard.
    return (
        f'{title}<div class="scroll" tabindex="0" role="group" aria-label="{name}">'
        f'<table class="{kind}" aria-label="{name}"><thead>{head}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def image(uri, alt):
    """Returns an image with its alternative text; ValueError without one."""
    if not alt.strip():
        raise ValueError("an image needs an alternative text")
    return f'<img src="{uri}" alt="{escape(alt)}">'


def _row(cells):
    return f"<tr>{''.join(cells)}</tr>"


def _kind(column):
    """How the cells of a column stand; the first of `column` is its heading."""
    cells = [cell.text if isinstance(cell, Mark) else cell for cell in column[1:]]
    cells = [cell for cell in cells if isinstance(cell, str)]
    if cells and all(map(_NUMBER.fullmatch, cells)):
        return "number"
    return "long" if any(len(text) > _LONG for text in cells) else ""


def _head(text, kind):
    return f'<th scope="col" class="{kind}"><span>{_breakable(text)}</span></th>'


def _breakable(text):
    """Escaped; the name of a flag may go on in the next line after an underscore."""
    return escape(text).replace("_", "_<wbr>")


def _cell(tag, cell, kind):
    if isinstance(cell, Picture):
        note = f'<span class="note">{escape(cell.note)}</span>' if cell.note else ""
        return f"<td>{image(pixels_uri(cell.pixels), cell.alt)}{note}</td>"
    scope = ' scope="row"' if tag == "th" else ""
    if isinstance(cell, Mark):
        cell, kind = cell.text, f"{kind} mark {cell.level}".strip()
    shown = (_breakable if scope else escape)(cell)
    return f'<{tag}{scope} class="{escape(kind)}">{shown}</{tag}>'
