"""ERS, the empirical robustness score, and the ten columns it is the mean of (HM, section 4).

The only place where values of records become what the paper prints.
"""

from collections.abc import Callable
from typing import NamedTuple

CLOSE = 0.99
ABOVE_CHANCE = 0.04


class Column(NamedTuple):
    """A column of the paper's tables: what `attack` does to `measure`, as records name them.

    Attributes:
        name: as printed.
        attack, measure: Names in the records.
        high_is_robust: Whether a high value is good for the defender.
        meaning: what the column says, in a few words.
        normalised: function from the printed value to 0 ... 100, without clipping.
        percent: whether it is a share, printed times 100.
    """

    name: str
    attack: str
    measure: str
    high_is_robust: bool
    meaning: str
    normalised: Callable = lambda value: value
    percent: bool = True


_KEPT = "percentile the attacked image or the candidate keeps; 50 before the attack"
# Ranks are 50 % by chance.
COLUMNS = (
    Column("CA+", "CA+", "rank", True, _KEPT, lambda rank: 2 * rank),
    Column("CA-", "CA-", "rank", False, "percentile", lambda rank: 100 - rank),
    Column("QA+", "QA+", "rank", True, _KEPT, lambda rank: 2 * rank),
    Column("QA-", "QA-", "rank", False, "percentile", lambda rank: 100 - rank),
    Column("TMA", "TMA", "cosine", False, "cosine", lambda cos: 100 * (1 - cos), False),
    Column("ES:D", "ES", "distance", False, "distance, 0 to 2", lambda d: 100 * (2 - d) / 2, False),
    Column("ES:R", "ES", "R@1", True, "R@1 in %"),
    Column("LTM", "LTM", "R@1", True, "R@1 in %"),
    Column("GTM", "GTM", "R@1", True, "R@1 in %"),
    Column("GTT", "GTT", "top-4", True, "% of first images still among the first four"),
)


def printed(column, value):
    """Returns the value of a record as the paper prints it; `column` is a `Column`."""
    return 100 * value if column.percent else value


def directions(names):
    """Returns two sentences, or one: of which columns a high and of which a low value is robust.

    Args:
        names: Names of the columns shown, with or without ERS.
    """
    groups, said = {}, {"High": [], "Low": []}
    for column in COLUMNS:
        if column.name in names:
            side = "High" if column.high_is_robust else "Low"
            groups.setdefault((side, column.meaning), []).append(column.name)
    for (side, meaning), shown in groups.items():
        said[side].append(f"{', '.join(shown)} ({meaning})")
    said["High"] += ["ERS"] if "ERS" in names else []  # which says nothing more than its ten
    return [f"{side} is robust: {', '.join(found)}." for side, found in said.items() if found]


def score(values):
    """Returns ERS, the mean of the ten normalised columns, in 0 ... 100.

    Args:
        values: dict name of the column -> printed value, or array of the values of each query; all
            ten are needed.
    """
    return sum(column.normalised(values[column.name]) for column in COLUMNS) / len(COLUMNS)


def has_collapsed(r1, mean_cosine, chance):
    """Whether the network is too bad for ERS to mean anything (HM[S,0] scores 29.7 at R@1 0.8).

    Args:
        r1: R@1 of clean images, in [0, 1].
        mean_cosine: Mean cosine of pairs of clean embeddings.
        chance: R@1 of a random ranking. With the 100 classes of CUB up to 5 % count as chance.
    """
    return r1 <= chance + ABOVE_CHANCE or mean_cosine > CLOSE
