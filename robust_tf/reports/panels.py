"""Panels on one scale that a page and a phone have room for, in colours for everybody."""

import io
import textwrap

from matplotlib.figure import Figure
from matplotlib.text import Text

from robust_tf.results import atomic

# Okabe and Ito 2008, "Color universal design", without the yellow, which is faint on white.
BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GRAY = "#BBBBBB"

WIDTH = 4.2  # inches: legible where it is shrunk to a phone or to the column of a paper
DPI = 200  # 250 and more in the column of a paper
LEGEND_ROW = TITLE_ROW = 0.18  # inches
LETTERS = 13  # of a title per inch


def panels(title, names):
    """Returns (figure, axes): one square panel per name, two a line, same limits on all.

    Args:
        title: str, above all panels.
        names: list of str, one above each panel.
    """
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    side = WIDTH / 2 if columns == 2 else 0.75 * WIDTH
    title, names = wrapped(title), [wrapped(name, WIDTH / columns) for name in names]
    texts = TITLE_ROW * (title.count("\n") + rows * max(name.count("\n") for name in names))
    figure = Figure(figsize=(WIDTH, rows * (side + 0.2) + texts + 0.6), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, name in zip(axes, names):
        axis.set_title(name, fontsize="medium")
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return figure, axes[: len(names)]


def wrapped(text, inches=WIDTH):
    """Returns a text of size "medium" broken into lines of a width."""
    lines = (textwrap.wrap(line, int(LETTERS * inches)) for line in text.splitlines())
    return "\n".join("\n".join(line) for line in lines)


def legend_below(figure, axes, most_columns=2):
    """Puts one legend for all axes below them, where it covers nothing, and makes room for it."""
    entries = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    # Beside a name stand its line and the space between columns.
    names = [wrapped(name, WIDTH - 0.5) for name in entries]
    longest = max((len(line) for name in names for line in name.splitlines()), default=0)
    room = int(1.2 * LETTERS * WIDTH / (longest + 8))
    columns = max(1, min(most_columns, len(entries), room))
    rows = -(-sum(name.count("\n") + 1 for name in names) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (rows - 1))
    figure.legend(
        entries.values(),
        names,
        loc="outside lower center",
        ncols=columns,
        fontsize="small",
        frameon=False,
    )


def save_figure(figure, path):
    """Writes a figure as the ending of `path` says, with its description, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Description": figure.get_label()} if figure.get_label() else None
    form, buffer = path.suffix.removeprefix("."), io.BytesIO()
    without_math(figure).savefig(buffer, dpi=DPI, format=form, metadata=metadata)
    atomic.write(path, buffer.getvalue())


def without_math(figure):
    """Returns the figure with every text as it is: a class may be called $x_1$ or cost $5."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure
