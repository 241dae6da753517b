"""Published tables in CSV files: a line per row, its values beside what describes the row."""

import csv
import dataclasses
import functools
from typing import Any

from robust_tf.errors import UserError

DOUBT = "?"  # behind a value that the paper itself puts in doubt


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """A row of a published table.

    Attributes:
        name: str, "table/...", unlike every other row's.
        dataset: str.
        values: dict column -> float.
        doubtful: tuple of the columns whose value the paper itself puts in doubt.
        flags: tuple of the flags that reproduce the row, on top of the recipe of the data set.
        trainings: `FlagTable` of the trainings of the paper; None where no training makes the row.
    """

    name: str
    dataset: str
    values: dict
    doubtful: tuple
    flags: tuple
    trainings: Any = dataclasses.field(default=None, repr=False)

    @property
    def table(self):
        """The first part of the name, e.g. "table1"."""
        return self.name.split("/")[0]

    def mark(self, column):
        """Returns what stands behind a value of the row: " ?" if it is doubtful, or else ""."""
        return f" {DOUBT}" if column in self.doubtful else ""

    @functools.cached_property
    def training(self):
        """dict of all flags of the training that reproduces the row."""
        return self.trainings.resolve(self.flags)

    @functools.cached_property
    def compared(self):
        """The set of the flags in which a training must agree with the row's."""
        return self.trainings.compared(self.training)


def read_lines(path):
    """Returns the lines of a CSV file, pathlib.Path, as dicts column -> text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def name_of(*parts):
    """Returns the name of a row: its table and what tells it from the others, without ""."""
    return "/".join(filter(None, parts))


def fields(line, description):
    """Returns the fields that a line gives a `PublishedRow`, a dict; empty cells have no value.

    Args:
        line: dict column -> text.
        description: names of the columns that hold no values.
    """
    cells = {column: text for column, text in line.items() if column not in description and text}
    return {
        "dataset": line["dataset"],
        "values": {column: float(text.removesuffix(DOUBT)) for column, text in cells.items()},
        "doubtful": tuple(column for column, text in cells.items() if text.endswith(DOUBT)),
        "flags": tuple(line["flags"].split()),
    }


def find(rows, name):
    """Returns the `PublishedRow` called `name`; UserError lists `rows` that begin alike."""
    known = {row.name: row for row in rows}
    if name in known:
        return known[name]
    alike = [other for other in known if other.split("/")[0] == name.split("/")[0]]
    tables = ", ".join(dict.fromkeys(row.table for row in rows))
    hint = "; ".join(alike) or f"the tables are {tables}, a row is {next(iter(known))}"
    raise UserError(f"there is no row {name!r}; {hint}")
