"""Lines and single marks, in panels above each other, so that they can be read on a phone."""

from typing import NamedTuple

from matplotlib.figure import Figure

from robust_tf.reports.panels import legend_below
from robust_tf.reports.roc_figure import COLOURS, LINES

MARKERS = "osD^vPX*"


class Line(NamedTuple):
    """Points that belong together; a label has one look in all panels.

    Attributes:
        label: str, in the legend.
        x, y: lists of numbers.
        joined: whether a line goes through them; otherwise they are large marks.
    """

    label: str
    x: list
    y: list
    joined: bool = True


class Panel(NamedTuple):
    """One pair of axes.

    Attributes:
        xlabel, ylabel: str, with the unit.
        lines: list of `Line`.
    """

    xlabel: str
    ylabel: str
    lines: list


def line_figure(title, panels, *, ticks=None):
    """Returns the figure.

    Args:
        title: str.
        panels: list of `Panel`.
        ticks: places on the x axis, which is logarithmic then; None leaves them to matplotlib.
    """
    figure = Figure(figsize=(5.4, 2.7 * len(panels) + 0.9), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    labels = {line.label: line.joined for panel in panels for line in panel.lines}
    looks = _looks(labels)
    for axis, panel in zip(axes, panels, strict=True):
        for line in panel.lines:
            axis.plot(line.x, line.y, label=line.label, **looks[line.label])
        axis.set_title(panel.ylabel, fontsize="small", loc="left")
        axis.grid(color="#DDDDDD", linewidth=0.6)
        if ticks:
            axis.set_xscale("log", base=2)
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
            axis.minorticks_off()
    axes[-1].set_xlabel(panels[-1].xlabel)
    legend_below(figure, axes, most_columns=3)
    return figure


def _looks(labels):
    """label -> how matplotlib draws it; lines and marks are numbered apart."""
    joined = [label for label, is_joined in labels.items() if is_joined]
    marks = [label for label, is_joined in labels.items() if not is_joined]
    looks = {}
    for order, label in enumerate(joined):
        style = {"color": COLOURS[order % len(COLOURS)], "linestyle": LINES[order % len(LINES)]}
        looks[label] = {**style, "marker": ".", "linewidth": 1.6}
    for order, label in enumerate(marks):
        style = {
            "color": COLOURS[-1 - order % len(COLOURS)],
            "marker": MARKERS[order % len(MARKERS)],
        }
        looks[label] = {**style, "linestyle": "none", "markersize": 9, "markeredgecolor": "white"}
    return looks
