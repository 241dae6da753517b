"""One self-contained HTML page: opens from the disk, loads nothing, readable in light and dark."""

import contextlib
import pathlib
import shlex
import string
from html import escape

from matplotlib.figure import Figure

from robust_tf.data.text_lines import visible
from robust_tf.errors import UserError
from robust_tf.reports.bars import bars
from robust_tf.reports.data_uri import description, figure_uri
from robust_tf.reports.html_table import LEVELS, image, table
from robust_tf.results import atomic

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
<header>
<h1>$title</h1>
$lead
</header>
$contents
<main>
$body
</main>
</body>
</html>
""")


class Page:
    """A page, filled from top to bottom. All text is escaped.

    Args:
        title: str, heading and title of the window.
        lead: str, the message of the page below the title, in its lines; none if empty.
        level: one of `LEVELS`, colours the message; "" leaves it as it is.

    Attributes:
        missed: dict command -> what it makes, see `missing`.
    """

    def __init__(self, title, lead="", level=""):
        self._title = title
        self._lead, self._level = lead, level
        self._sections = []
        self.missed = {}
        self._parts = []

    def section(self, heading):
        """Begins a section; the contents at the top link to it."""
        self._sections.append(heading)
        self._parts.append(f'<h2 id="section-{len(self._sections)}">{escape(heading)}</h2>')

    def paragraph(self, text):
        """Adds a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def missing(self, text, *command):
        """Says what the page lacks, and keeps the command; see `keep_command`."""
        self.paragraph(text)
        self.keep_command(text, *command)

    def keep_command(self, text, *command):
        """Keeps in `missed` the command that makes what the page lacks, for its owner.

        A page is read by others, who cannot run it on these folders.

        Args:
            text: str, a sentence.
            command: words of the command.
        """
        self.missed.setdefault(shlex.join(command), text)

    def link(self, text, target):
        """Adds a line that leads to a file beside the page."""
        self._parts.append(f'<p><a href="{escape(target)}">{escape(text)}</a></p>')

    def status(self, level, text):
        """Adds a line marked "red", "amber" or "green", in colour and as a word."""
        if level not in LEVELS:
            raise ValueError(f"level {level!r} is none of {', '.join(LEVELS)}")
        self._parts.append(f'<p class="status {level}"><b>{level}</b> {escape(text)}</p>')

    def table(self, header, rows, *, caption="", kind=""):
        """Adds a table that scrolls in its own box; see `html_table.table` for the arguments."""
        self._parts.append(table(header, rows, caption, kind))

    def bars(self, groups, names, *, alt, caption, limit=100.0):
        """Adds bars with intervals, one colour and letter per method.

        Args:
            groups, names, limit: see `robust_tf.reports.bars.bars`.
            alt: str, the values, for readers who do not see the bars.
            caption: str, below the bars.
        """
        self._parts.append(
            f'<figure><div role="img" aria-label="{escape(alt)}">'
            f"{bars(groups, names, limit=limit)}</div>"
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def figure(self, source, *, caption, alt=""):
        """Adds a figure, on a light card so that it can be read in the dark.

        Args:
            source: matplotlib `Figure`, or the path of a .png or .svg file.
            caption: str, below it.
            alt: str, what it shows; default: what the figure itself says, see `save_figure`.

        Raises:
            ValueError: no alternative text or no caption, or a file of another type.
        """
        if not caption.strip():
            raise ValueError("a figure needs a caption")
        uri = figure_uri(source)
        if not alt:
            alt = source.get_label() if isinstance(source, Figure) else description(source)
        self._parts.append(
            f'<figure><div class="card">{image(uri, alt)}</div>'
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
        level = f"lead {self._level}".strip()
        nav = f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>'
        return _DOCUMENT.substitute(
            title=escape(self._title),
            style=pathlib.Path(__file__).with_suffix(".css").read_text("utf-8"),
            lead=f'<p class="{level}">{escape(self._lead)}</p>' if self._lead else "",
            contents=nav if links else "",
            body="\n".join(self._parts),
        )

    def write(self, path):
        """Writes the page, making its folder; UserError where that cannot be.

        Prints what the page lacks, with the commands.
        """
        path = pathlib.Path(path)
        before = path.read_bytes() if path.is_symlink() and path.is_file() else b""
        if before and not before.startswith(_DOCUMENT.template[:15].encode()):
            raise UserError(f"{path} leads to a file that is no page; name another")
        refused = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Of a link the page it leads to is replaced, and a full disk leaves the page before.
            atomic.write(path.resolve() if path.is_file() else path, self.html())
        except refused as error:
            raise UserError(f"{path} cannot be written ({error.strerror}); name another") from error
        for command, text in self.missed.items():
            print(visible(f"not on the page: {text}\n  {command}"))
