"""Lines and single marks, in panels above each other, so that they can be read on a phone."""

from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robust_tf.reports.method_colours import looks, places
from robust_tf.reports.panels import WIDTH, legend_below, wrapped

MARKERS = "osD^vPX*<>p"


class Line(NamedTuple):
    """Points that belong together; a label has one look in all panels.

    Attributes:
        label: str, in the legend.
        x, y: lists of numbers.
        joined: whether a line goes through them; otherwise they are large marks.
        method: str, whose colour they have; None: the label's.
        notes: tuple of str, one beside each point; () for none.
    """

    label: str
    x: list
    y: list
    joined: bool = True
    method: str | None = None
    notes: tuple = ()


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
    figure = Figure(figsize=(WIDTH, 2.3 * len(panels) + 0.9), layout="constrained")
    figure.suptitle(wrapped(title), fontsize="medium")
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    styles = _styles([line for panel in panels for line in panel.lines])
    for axis, panel in zip(axes, panels, strict=True):
        for line in panel.lines:
            axis.plot(line.x, line.y, label=line.label, **styles[line.label])
            for number, (x, y, note) in enumerate(zip(line.x, line.y, line.notes)):
                # On both sides in turn: neighbours may be close.
                side = (4, 3) if number % 2 == 0 else (-10, -9)
                axis.annotate(note, (x, y), side, textcoords="offset points", fontsize="x-small")
        axis.set_title(wrapped(panel.ylabel, 1.2 * WIDTH), fontsize="small", loc="left")
        axis.grid(color="#DDDDDD", linewidth=0.6)
        if ticks:
            axis.set_xscale("log", base=2)
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
            axis.set_xlim(0.9 * ticks[0], 1.1 * ticks[-1])
            axis.minorticks_off()
        else:
            whole = all(float(x).is_integer() for line in panel.lines for x in line.x)
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=whole))
    axes[-1].set_xlabel(panels[-1].xlabel)
    legend_below(figure, axes, most_columns=2)
    figure.set_label("; ".join(f"{panel.ylabel}: {_ends(panel.lines)}" for panel in panels))
    return figure


def _ends(lines):
    """The first and last value of each line, in words."""
    shown = [line for line in lines if len(line.y)]
    return ", ".join(f"{line.label} {line.y[0]:.4g} to {line.y[-1]:.4g}" for line in shown)


def _styles(lines):
    """label -> how matplotlib draws it; large marks have shapes of their own."""
    methods, styles, marks = [line.method or line.label for line in lines], {}, 0
    of_methods, shapes = looks(methods), places(methods)
    for line in lines:
        if line.label in styles:
            continue
        method = line.method or line.label
        look = {**of_methods[method], "marker": MARKERS[shapes[method]], "linewidth": 1.4}
        look["markersize"] = 4
        if not line.joined:
            look |= {"linestyle": "none", "marker": MARKERS[marks % len(MARKERS)], "markersize": 9}
            look["markeredgecolor"] = "white"
            marks += 1
        styles[line.label] = look
    return styles
