"""ERS, the empirical robustness score, and the ten columns it is the mean of (HM, section 4).

The only place where values of records become what the paper prints.
"""

from typing import NamedTuple

CLOSE = 0.99
ABOVE_CHANCE = 0.04


class Column(NamedTuple):
    """A column of the paper's tables: what `attack` does to `measure`, as records name them.

    Attributes:
        name: as printed.
        attack, measure: Names in the records.
        percent: whether it is a share, printed times 100.
        high_is_robust: Whether a high value is good for the defender.
    """

    name: str
    attack: str
    measure: str
    percent: bool
    high_is_robust: bool


COLUMNS = (
    Column("CA+", "CA+", "rank", True, True),
    Column("CA-", "CA-", "rank", True, False),
    Column("QA+", "QA+", "rank", True, True),
    Column("QA-", "QA-", "rank", True, False),
    Column("TMA", "TMA", "cosine", False, False),
    Column("ES:D", "ES", "distance", False, False),
    Column("ES:R", "ES", "R@1", True, True),
    Column("LTM", "LTM", "R@1", True, True),
    Column("GTM", "GTM", "R@1", True, True),
    Column("GTT", "GTT", "top-4", True, True),
)
# What a column says; ERS says nothing more than its ten.
_MEANINGS = (
    (("CA+", "QA+"), "percentile the attacked image or the candidate keeps; 50 before the attack"),
    (("ES:R", "LTM", "GTM"), "R@1 in %"),
    (("GTT",), "% of first images still among the first four"),
    (("ERS",), ""),
    (("CA-", "QA-"), "percentile"),
    (("TMA",), "cosine"),
    (("ES:D",), "distance, 0 to 2"),
)
# Column -> from the printed value to 0 ... 100, without clipping. Ranks are 50 % by chance.
_NORMALISED = {
    "CA+": lambda rank: 2 * rank,
    "CA-": lambda rank: 100 - rank,
    "QA+": lambda rank: 2 * rank,
    "QA-": lambda rank: 100 - rank,
    "TMA": lambda cosine: 100 * (1 - cosine),
    "ES:D": lambda distance: 100 * (2 - distance) / 2,
}


def printed(column, value):
    """Returns the value of a record as the paper prints it; `column` is a `Column`."""
    return 100 * value if column.percent else value


def directions(names):
    """Returns two sentences, or one: of which columns a high and of which a low value is robust.

    Args:
        names: Names of the columns shown, with or without ERS.
    """
    high = {column.name for column in COLUMNS if column.high_is_robust} | {"ERS"}
    said = {"High": [], "Low": []}
    for group, meaning in _MEANINGS:
        shown = ", ".join(name for name in group if name in names)
        about = f" ({meaning})" if meaning else ""
        if shown:
            said["High" if group[0] in high else "Low"].append(f"{shown}{about}")
    return [f"{side} is robust: {', '.join(found)}." for side, found in said.items() if found]


def score(values):
    """Returns ERS, the mean of the ten normalised columns, in 0 ... 100.

    Args:
        values: dict name of the column -> printed value, or array of the values of each query; all
            ten are needed.
    """
    normalised = [
        _NORMALISED[c.name](values[c.name]) if c.name in _NORMALISED else values[c.name]
        for c in COLUMNS
    ]
    return sum(normalised) / len(normalised)


def collapsed(r1, mean_cosine, chance):
    """Whether the network is too bad for ERS to mean anything (HM[S,0] scores 29.7 at R@1 0.8).

    Args:
        r1: R@1 of clean images, in [0, 1].
        mean_cosine: Mean cosine of pairs of clean embeddings.
        chance: R@1 of a random ranking. With the 100 classes of CUB up to 5 % count as chance.
    """
    return r1 <= chance + ABOVE_CHANCE or mean_cosine > CLOSE
