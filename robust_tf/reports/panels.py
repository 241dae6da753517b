"""Panels side by side on one scale, and colours that colour-blind readers can tell apart."""

import io

from matplotlib.figure import Figure
from matplotlib.text import Text

from robust_tf.results import atomic

# Okabe and Ito 2008, "Color universal design", without the yellow, which is faint on white.
BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GRAY = "#BBBBBB"

LEGEND_ROW = 0.18  # inches


def panels(title, names, *, side=3.4):
    """Returns (figure, axes): one square panel per name, same limits on all.

    Args:
        title: str, above all panels.
        names: list of str, one above each panel.
        side: Side of a panel, in inches.
    """
    # Wide enough for the title over a single panel.
    figure = Figure(figsize=(max(side * len(names), 5.0), side + 1.2), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        axis.set_title(name)
    return figure, axes


def legend_below(figure, axes, most_columns=4):
    """Puts one legend for all axes below them, where it covers nothing, and makes room for it."""
    entries = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    columns = min(1 + len(axes), most_columns, len(entries))
    rows = -(-len(entries) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (rows - 1))
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        ncols=columns,
        fontsize="small",
        frameon=False,
    )


def save_figure(figure, path):
    """Writes a figure as the ending of `path` says, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    without_math(figure).savefig(buffer, dpi=150, format=path.suffix.removeprefix("."))
    atomic.write(path, buffer.getvalue())


def without_math(figure):
    """Returns the figure with every text as it is: a class may be called $x_1$ or cost $5."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure
