"""One self-contained HTML page: opens from the disk, loads nothing, readable in light and dark."""

import contextlib
import pathlib
import re
import string
from html import escape
from typing import NamedTuple

import numpy as np

from robust_tf.errors import UserError
from robust_tf.reports.bars import bars
from robust_tf.reports.data_uri import figure_uri, pixels_uri

LEVELS = ("red", "amber", "green")
_NUMBER = re.compile(r"[-+]?(\d[^A-Za-z]*)?")
_LONG = 60  # characters, from which on a cell is broken into lines

# The policy makes the browser refuse whatever is not in the page itself.
_DOCUMENT = string.Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<h1>$title</h1>
$lead
$contents
<main>
$body
</main>
</body>
</html>
""")


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


class Page:
    """A page, filled from top to bottom. All text is escaped.

    Args:
        title: str, heading and title of the window.
        lead: str, the message of the page below the title, in its lines; none if empty.
        level: one of `LEVELS`, colours the message; "" leaves it as it is.
    """

    def __init__(self, title, lead="", level=""):
        self._title = title
        self._lead, self._level = lead, level
        self._sections = []
        self._parts = []

    def section(self, heading):
        """Begins a section; the contents at the top link to it."""
        self._sections.append(heading)
        self._parts.append(f'<h2 id="section-{len(self._sections)}">{escape(heading)}</h2>')

    def paragraph(self, text):
        """Adds a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def code(self, text):
        """Adds preformatted text, such as a command."""
        self._parts.append(f"<pre><code>{escape(text)}</code></pre>")

    def link(self, text, target):
        """Adds a line that leads to a file beside the page."""
        self._parts.append(f'<p><a href="{escape(target)}">{escape(text)}</a></p>')

    def status(self, level, text):
        """Adds a line marked "red", "amber" or "green", in colour and as a word."""
        if level not in LEVELS:
            raise ValueError(f"level {level!r} is none of {', '.join(LEVELS)}")
        self._parts.append(f'<p class="status {level}"><b>{level}</b> {escape(text)}</p>')

    def table(self, header, rows, *, caption=""):
        """Adds a table that scrolls in its own box.

        Args:
            header: tuple of str.
            rows: list of tuples of str or `Mark`.
            caption: str, above the table.
        """
        kinds = [_kind(column) for column in zip(header, *rows)]
        body = "".join(_row(map(_cell, _tags(row), row, kinds)) for row in rows)
        self._add_table(header, kinds, body, caption)

    def bars(self, groups, names, *, alt, caption, limit=100.0):
        """Adds bars with intervals, one colour per method.

        Args:
            groups, names, limit: see `robust_tf.reports.bars.bars`.
            alt: str, the values, for readers who do not see the bars.
            caption: str, below the bars.
        """
        self._parts.append(
            f'<figure role="img" aria-label="{escape(alt)}">{bars(groups, names, limit=limit)}'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def images(self, header, rows, *, caption=""):
        """Adds a grid of small images.

        Args:
            header: tuple of str.
            rows: list of tuples of `Picture` or str.
            caption: str, above the grid.
        """
        body = "".join(_row(map(_grid_cell, row)) for row in rows)
        self._add_table(header, [""] * len(header), body, caption, "grid")

    def figure(self, source, *, alt, caption):
        """Adds a figure, on a light card so that it can be read in the dark.

        Args:
            source: matplotlib `Figure`, or the path of a .png or .svg file.
            alt: str, what it shows, for those who do not see it.
            caption: str, below it.

        Raises:
            ValueError: no alternative text or no caption, or a file of another type.
        """
        if not caption.strip():
            raise ValueError("a figure needs a caption")
        self._parts.append(
            f'<figure><div class="card" tabindex="0">{_image(figure_uri(source), alt)}</div>'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    @contextlib.contextmanager
    def details(self, summary):
        """Folds away everything that is added inside `with`, under `summary`."""
        self._parts.append(f"<details><summary>{escape(summary)}</summary>")
        yield
        self._parts.append("</details>")

    def html(self):
        """Returns the page as str."""
        links = [
            f'<li><a href="#section-{number}">{escape(heading)}</a></li>'
            for number, heading in enumerate(self._sections, start=1)
        ]
        nav = f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>'
        return _DOCUMENT.substitute(
            title=escape(self._title),
            style=pathlib.Path(__file__).with_suffix(".css").read_text(),
            lead=self._message() if self._lead else "",
            contents=nav if links else "",
            body="\n".join(self._parts),
        )

    def write(self, path):
        """Writes the page, making its folder; UserError where that cannot be."""
        path = pathlib.Path(path)
        refused = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.html(), encoding="utf-8")
        except refused as error:
            raise UserError(f"{path} cannot be written ({error.strerror}); name another") from error

    def _message(self):
        return f'<p class="{f"lead {self._level}".strip()}">{escape(self._lead)}</p>'

    def _add_table(self, header, kinds, body, caption, kind=""):
        # Above the box that scrolls, so that it stays whole.
        title = f'<p class="caption">{escape(caption)}</p>' if caption else ""
        head = _row(map(_head, header, kinds))
        # A box that scrolls must be reachable by the keyboard.
        self._parts.append(
            f'{title}<div class="scroll" tabindex="0"><table class="{kind}"><thead>{head}</thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _row(cells):
    return f"<tr>{''.join(cells)}</tr>"


def _kind(column):
    """How the cells of a column stand; the first of `column` is its heading."""
    _, *cells = map(_text, column)
    if all(map(_NUMBER.fullmatch, cells)):
        return "number"
    return "long" if any(len(text) > _LONG for text in cells) else ""


def _tags(row):
    """The first cell of a row is its heading."""
    return ["th", *["td"] * (len(row) - 1)]


def _head(text, kind):
    return f'<th scope="col" class="{kind}">{escape(text)}</th>'


def _cell(tag, cell, kind):
    scope = ' scope="row"' if tag == "th" else ""
    if isinstance(cell, Mark):
        kind = f"{kind} mark {cell.level}".strip()
    return f'<{tag}{scope} class="{kind}">{escape(_text(cell))}</{tag}>'


def _text(cell):
    return cell.text if isinstance(cell, Mark) else cell


def _grid_cell(item):
    if not isinstance(item, Picture):
        return f"<td>{escape(item)}</td>"
    note = f'<span class="note">{escape(item.note)}</span>' if item.note else ""
    return f"<td>{_image(pixels_uri(item.pixels), item.alt)}{note}</td>"


def _image(uri, alt):
    if not alt.strip():
        raise ValueError("an image needs an alternative text")
    return f'<img src="{uri}" alt="{escape(alt)}">'
