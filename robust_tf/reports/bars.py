"""Bars with intervals, one colour per method, as HTML that fits every width."""

from html import escape
from typing import NamedTuple

from robust_tf.reports.method_colours import places

LINE = 18  # pixels per bar
# The rest of the width holds the numbers.
WIDTH = 76.0


class Bar(NamedTuple):
    """One bar.

    Attributes:
        value: float in [0, limit].
        low, high: ends of the interval, None without one.
        text: str, the value as it is printed.
    """

    value: float
    low: float | None
    high: float | None
    text: str


def bars(groups, names, *, limit=100.0):
    """Returns HTML: a block of bars per group, one bar per method, and the legend.

    Positions are percentages of the width, text keeps its size: the picture fits a phone.

    Args:
        groups: dict, label of the group -> list of `Bar` or None, in the order of `names`.
        names: list of str, the methods.
        limit: float, the value of the longest possible bar.
    """
    colours = places(names)
    legend = "".join(
        f'<span class="s{colours[name]}"><i></i>{escape(name)}</span>' for name in names
    )
    order = [colours[name] for name in names]
    rows = "".join(_group(label, order, shown, limit) for label, shown in groups.items())
    return f'<div class="bars"><p class="legend">{legend}</p>{rows}</div>'


def _group(label, colours, found, limit):
    """Bars below each other."""
    shown = [(colour, bar) for colour, bar in zip(colours, found, strict=True) if bar]
    drawn = "".join(_bar(bar, colour, LINE * i, limit) for i, (colour, bar) in enumerate(shown))
    height = LINE * len(shown)
    svg = f'<svg width="100%" height="{height}" aria-hidden="true">{drawn}</svg>'
    return f"<div><span>{escape(label)}</span>{svg}</div>"


def _bar(bar, colour, top, limit):
    def place(value):
        return f"{WIDTH * min(max(value, 0.0), limit) / limit:.2f}%"

    middle, end = top + LINE / 2 - 1, bar.value if bar.high is None else bar.high
    parts = [f'<rect x="0" y="{top + 1}" width="{place(bar.value)}" height="{LINE - 5}"/>']
    if bar.low is not None:
        low, high = place(bar.low), place(bar.high)
        parts.append(f'<line x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>')
        parts += [
            f'<line x1="{x}" x2="{x}" y1="{middle - 4}" y2="{middle + 4}"/>' for x in (low, high)
        ]
    parts.append(f'<text x="{place(end)}" dx="6" y="{middle + 4}">{escape(bar.text)}</text>')
    return f'<g class="s{colour}">{"".join(parts)}</g>'
