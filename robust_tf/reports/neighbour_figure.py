"""Images and their nearest neighbours, one panel per network (TLA, figure 4)."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robust_tf.reports.panels import BLUE, VERMILLION, wrapped

OF_CLASS = {True: "of the query's class", False: "of another class"}
STYLES = {None: ("black", "-"), True: (BLUE, "-"), False: (VERMILLION, "--")}


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


def neighbour_figure(title, rows_by_name, frames=None):
    """Returns the figure: networks below each other, a row of images per query, the query first.

    Args:
        title: str.
        rows_by_name: dict, name of a panel -> list of `Row`; as many rows and neighbours in each.
        frames: dict, value of `Row.right` -> what its frame means, for the legend.
    """
    first = next(iter(rows_by_name.values()))
    columns = 1 + len(first[0].names)
    # At most as wide as a page; the names of a wide picture stay as large.
    width = min(max(1.35 * columns, 3.0), 10.4)
    fitted = {
        name: [_fitted(row, width / columns) for row in rows] for name, rows in rows_by_name.items()
    }
    texts = (text for rows in fitted.values() for row in rows for text in (row.title, *row.names))
    lines = max(text.count("\n") + 1 for text in texts)
    height = len(rows_by_name) * (len(first) * (width / columns + 0.16 * lines) + 0.3) + 0.8
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(wrapped(title, width), fontsize="medium")
    parts = figure.subfigures(len(rows_by_name), 1, squeeze=False)[:, 0]
    for part, (name, rows) in zip(parts, fitted.items(), strict=True):
        part.suptitle(name, fontsize="medium", fontweight="bold")
        axes = part.subplots(len(rows), columns, squeeze=False)
        for line, row in zip(axes, rows, strict=True):
            _show(line[0], row.query, row.title, None)
            found = zip(line[1:], row.neighbours, row.names, row.right, strict=True)
            for axis, image, label, right in found:
                _show(axis, image, label, right)
    if frames:
        styles = [STYLES[right] for right in frames]
        handles = [Patch(fc="none", ec=colour, ls=line, lw=2) for colour, line in styles]
        place = {"loc": "outside lower center", "ncols": len(handles), "frameon": False}
        figure.legend(handles, frames.values(), fontsize="small", **place)
    figure.set_label("; ".join(_described(*rows) for rows in rows_by_name.items()))
    return figure


def _fitted(row, inches):
    """The row with texts broken to the width of an image; `wrapped` counts larger letters."""
    title, *names = (wrapped(text, 1.1 * inches) for text in (row.title, *row.names))
    return row._replace(title=title, names=names)


def _described(name, rows):
    """Which names stand beside which query, in words."""
    said = (f"{row.title}: {', '.join(row.names)}".replace("\n", " ") for row in rows)
    return f"{name}: {'; '.join(said)}" if name else "; ".join(said)


def _show(axis, image, title, right):
    gray = image.shape[-1] == 1
    pixels, colours = (image[..., 0], "gray") if gray else (image, None)
    axis.imshow(pixels, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize="small")
    axis.set(xticks=[], yticks=[])
    colour, line = STYLES[right]
    for side in axis.spines.values():
        side.set(color=colour, linestyle=line, linewidth=0.8 if right is None else 2.5)
