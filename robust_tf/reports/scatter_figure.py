"""Groups of points in the plane, one panel per network (TLA, figures 1 and 2)."""

from typing import NamedTuple

import numpy as np

from robust_tf.reports.panels import legend_below, panels


class Group(NamedTuple):
    """Points that look alike.

    Attributes:
        label: str, in the legend.
        points: float [n, 2].
        colour, marker: as matplotlib takes them.
    """

    label: str
    points: np.ndarray
    colour: str
    marker: str


def scatter_figure(title, groups_by_name):
    """Returns the figure: square panels of one scale, each centred on its points, without ticks.

    The legend names the groups that have points in some panel.

    Args:
        title: str.
        groups_by_name: dict, name of a panel -> list of `Group`, later ones on top. The coordinates
            of t-SNE have no unit.
    """
    figure, axes = panels(title, list(groups_by_name))
    widest = 0.0
    for axis, groups in zip(axes, groups_by_name.values(), strict=True):
        everything = np.concatenate([group.points for group in groups])
        lowest, highest = everything.min(axis=0), everything.max(axis=0)
        widest = max(widest, (highest - lowest).max())
        for order, group in enumerate(group for group in groups if len(group.points)):
            points = group.points - (lowest + highest) / 2
            style = {"color": group.colour, "marker": group.marker, "label": group.label}
            axis.scatter(*points.T, s=16, linewidths=0, zorder=2 + order, **style)
        axis.set_xlabel("t-SNE 1")
        axis.set_box_aspect(1)
    axes[0].set_ylabel("t-SNE 2")
    limits = -0.55 * widest, 0.55 * widest
    axes[0].set(xlim=limits, ylim=limits, xticks=[], yticks=[])
    legend_below(figure, axes)
    return figure
