"""Published tables in CSV files: one line per row, its values beside what describes it."""

import csv

from robust_tf.errors import UserError

DOUBT = "?"  # behind a value that the paper itself puts in doubt


def read_lines(path):
    """Returns the lines of a CSV file, pathlib.Path, as dicts column -> text."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def values(line, description):
    """Returns dict column -> float of a line; empty cells are left out.

    Args:
        line: dict column -> text.
        description: names of the columns that hold no values.
    """
    cells = {column: text for column, text in line.items() if column not in description and text}
    return {column: float(text.removesuffix(DOUBT)) for column, text in cells.items()}


def doubtful(line):
    """Returns the names of the columns whose value is marked as doubtful, a tuple."""
    return tuple(column for column, text in line.items() if text.endswith(DOUBT))


def find(rows, name):
    """Returns the row called `name`; UserError lists those that begin alike.

    Args:
        rows: list of anything with a `name`, "table/...".
        name: str.
    """
    known = {row.name: row for row in rows}
    if name in known:
        return known[name]
    tables = list(dict.fromkeys(other.split("/")[0] for other in known))
    alike = [other for other in known if other.split("/")[0] == name.split("/")[0]]
    hint = "; ".join(alike) or f"the tables are {', '.join(tables)}, a row is {next(iter(known))}"
    raise UserError(f"there is no row {name!r}; {hint}")
