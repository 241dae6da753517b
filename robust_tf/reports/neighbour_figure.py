"""Images and their nearest neighbours, one panel per network (TLA, figure 4)."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from robust_tf.reports.panels import BLUE, VERMILLION

FRAMES = "frame of a neighbour: solid blue, of the query's class; dashed orange, of another class"


class Row(NamedTuple):
    """A query with what was found for it.

    Attributes:
        title: str, above the query.
        query: image in [0, 1], float [h, w, c].
        neighbours: images, nearest first, float [k, h, w, c].
        names: list of k str, their classes.
        right: bool [k], whether that is the query's true class; None has a thin black frame.
    """

    title: str
    query: np.ndarray
    neighbours: np.ndarray
    names: list
    right: np.ndarray


def neighbour_figure(title, rows_by_name, frames=FRAMES):
    """Returns the figure: per network one row of images per query, the query first.

    Neighbours of the query's class have a blue solid frame, others an orange dashed one.

    Args:
        title: str.
        rows_by_name: dict, name of a panel -> list of `Row`; as many rows and neighbours in each.
        frames: str, what the frames mean, below the images.
    """
    first = next(iter(rows_by_name.values()))
    columns = 1 + len(first[0].names)
    width, height = len(rows_by_name) * columns * 1.15 + 0.4, len(first) * 1.5 + 1.2
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    figure.supxlabel(frames, fontsize="small")
    parts = figure.subfigures(1, len(rows_by_name), squeeze=False, wspace=0.06)[0]
    for part, (name, rows) in zip(parts, rows_by_name.items(), strict=True):
        part.suptitle(name)
        axes = part.subplots(len(rows), columns, squeeze=False)
        for line, row in zip(axes, rows, strict=True):
            _show(line[0], row.query, row.title, None)
            found = zip(line[1:], row.neighbours, row.names, row.right, strict=True)
            for axis, image, label, right in found:
                _show(axis, image, label, right)
    return figure


def _show(axis, image, title, right):
    gray = image.shape[-1] == 1
    pixels, colours = (image[..., 0], "gray") if gray else (image, None)
    axis.imshow(pixels, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize="small")
    axis.set(xticks=[], yticks=[])
    colour, line = {None: ("black", "-"), True: (BLUE, "-"), False: (VERMILLION, "--")}[right]
    for side in axis.spines.values():
        side.set(color=colour, linestyle=line, linewidth=0.8 if right is None else 2.5)
