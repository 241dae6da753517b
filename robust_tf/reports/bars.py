"""Bars with intervals, one colour and letter per method, as HTML that fits every width."""

import string
from html import escape
from typing import NamedTuple

from robust_tf.reports.method_colours import places

LINE = 18  # pixels per bar
KEY = 15  # pixels for the letter before a bar
# The rest of the width holds the numbers.
WIDTH = 72.0


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
    keys = [(_letter(number), colours[name]) for number, name in enumerate(names)]
    legend = "".join(
        f'<span class="s{colour}"><i></i><b>{letter}</b> {escape(name)}</span>'
        for (letter, colour), name in zip(keys, names)
    )
    rows = "".join(_group(label, keys, shown, limit) for label, shown in groups.items())
    return f'<div class="bars"><p class="legend">{legend}</p>{rows}</div>'


def _letter(number):
    """A to Z, then A1 and so on."""
    turn, place = divmod(number, len(string.ascii_uppercase))
    return f"{string.ascii_uppercase[place]}{turn or ''}"


def _group(label, keys, found, limit):
    """Bars below each other."""
    shown = [(key, bar) for key, bar in zip(keys, found, strict=True) if bar]
    drawn = "".join(_bar(bar, *key, LINE * i, limit) for i, (key, bar) in enumerate(shown))
    height = LINE * len(shown)
    svg = f'<svg width="100%" height="{height}" aria-hidden="true">{drawn}</svg>'
    return f"<div><span>{escape(label)}</span>{svg}</div>"


def _bar(bar, letter, colour, top, limit):
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
    parts.append(f'<text x="-{KEY}" y="{middle + 4}">{letter}</text>')
    return f'<g class="s{colour}" transform="translate({KEY})">{"".join(parts)}</g>'
