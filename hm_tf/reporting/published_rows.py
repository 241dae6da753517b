"""The tables of the HM paper and the flags that reproduce their rows (Zhou and Patel 2022)."""

import pathlib
from typing import NamedTuple

from robust_tf.reports import published_table

FOLDER = pathlib.Path(__file__).parents[1] / "published"
_DESCRIPTION = ("dataset", "defense", "eta", "collapse", "flags")


class PublishedRow(NamedTuple):
    """A row of a table.

    Attributes:
        name: e.g. "table3/HM[S,M]/8", with the data set before the defense in table 6 and without
            eta where nothing is attacked.
        dataset: as the paper prints it: CUB, CARS or SOP.
        defense: as our tables print it, with a setting that differs from the paper's usual one.
        eta: PGD steps in training, None where nothing is attacked.
        collapse: whether the paper says so; there are no values, then.
        values: dict of what is printed: R@1, R@2, mAP, NMI, the attacks, ERS, in the paper's units.
        flags: of `python -m hm_tf.train`, on top of the recipe of the data set.
    """

    name: str
    dataset: str
    defense: str
    eta: int | None
    collapse: bool
    values: dict
    flags: tuple


def rows():
    """Returns the rows of tables 2 to 11, in order."""
    paths = sorted(FOLDER.glob("table*.csv"), key=lambda path: int(path.stem.removeprefix("table")))
    return [row for path in paths for row in _read(path)]


def get(name):
    """Returns the row of a name; UserError lists those that begin alike."""
    return published_table.find(rows(), name)


def _read(path):
    lines = published_table.read_lines(path)
    several = len({line["dataset"] for line in lines}) > 1
    return [_row(path.stem, line, several) for line in lines]


def _row(table, line, several):
    parts = [table, line["dataset"] if several else "", line["defense"], line["eta"]]
    return PublishedRow(
        name="/".join(filter(None, parts)),
        dataset=line["dataset"],
        defense=line["defense"],
        eta=int(line["eta"]) if line["eta"] else None,
        collapse=bool(line["collapse"]),
        values=published_table.values(line, _DESCRIPTION),
        flags=tuple(line["flags"].split()),
    )
