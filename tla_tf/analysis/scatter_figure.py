"""Groups of points in the plane, one panel per network (TLA, figures 1 and 2)."""

from typing import NamedTuple

import numpy as np

from robust_tf.reports.panels import legend_below, panels

NATURAL = {"o": 14, "d": 18}  # marker -> size
ATTACKED = 34  # of all other markers, which stand out


class Look(NamedTuple):
    """How a group of points looks.

    Attributes:
        label: str, in the legend.
        colour, marker: as matplotlib takes them.
    """

    label: str
    colour: str
    marker: str


class Group(NamedTuple):
    """Points, float [n, 2], that look alike."""

    look: Look
    points: np.ndarray


class Scatter(NamedTuple):
    """What one panel shows.

    Attributes:
        groups: list of `Group`, later ones on top.
        links: float [m, 2, 2], pairs of points that a thin line joins.
        note: str, in the corner of the panel.
    """

    groups: list
    links: np.ndarray
    note: str = ""


def scatter_figure(title, scatters):
    """Returns the figure: square panels, each filled by its points, without ticks.

    The legend names the groups that have points in some panel.

    Args:
        title: str.
        scatters: dict, name of a panel -> `Scatter`. The coordinates of t-SNE have no unit, and
            two networks have no common scale.
    """
    figure, axes = panels(title, list(scatters))
    for axis, (groups, links, note) in zip(axes, scatters.values(), strict=True):
        everything = np.concatenate([group.points for group in groups])
        lowest, highest = everything.min(axis=0), everything.max(axis=0)
        extent, centre = (highest - lowest).max(), (lowest + highest) / 2
        line = {"color": "#888888", "linewidth": 0.5, "label": "the same image"}
        axis.plot(*((links - centre) / extent).T, zorder=2, **line)
        for order, group in enumerate(group for group in groups if len(group.points)):
            label, colour, marker = group.look
            style = {"color": colour, "marker": marker, "label": label}
            style |= {"s": NATURAL.get(marker, ATTACKED), "edgecolors": "white", "linewidths": 0.4}
            axis.scatter(*((group.points - centre) / extent).T, zorder=3 + order, **style)
        axis.text(0.02, 0.02, note, transform=axis.transAxes, fontsize="small", zorder=99)
        axis.set_box_aspect(1)
    axes[0].set(xlim=(-0.58, 0.58), ylim=(-0.58, 0.58), xticks=[], yticks=[])
    legend_below(figure, axes)
    figure.set_label("; ".join(f"{name}: {_counted(s.groups)}" for name, s in scatters.items()))
    return figure


def _counted(groups):
    return ", ".join(
        f"{len(group.points)} {group.look.label}" for group in groups if len(group.points)
    )
