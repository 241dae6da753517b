"""python -m tla_tf.compare: the numbers of the TLA paper beside ours, with what differs.

Reads the records of all runs under --runs; nothing is measured. "comparable" is a number only if
its training and its measurement have every setting of the row. "?": doubtful in the paper itself.
"""

import sys

from robust_tf import command_line
from robust_tf.errors import UserError
from tla_tf import flags

RUN_TABLE = "python tools/run_table.py --row="


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=flags.define_compare, body=compare, about=__doc__)


def compare(options):
    """Prints the comparisons, then what has no results yet."""
    from robust_tf.reports.recorded_run import find_runs
    from robust_tf.reports.table import aligned
    from tla_tf import published_rows
    from tla_tf.reporting import comparison

    rows = published_rows.rows()
    found = comparison.compare(rows, find_runs(options.runs), flags.resolve_train)
    missing = comparison.without_results(rows, found)
    if not found:
        raise UserError(
            f"no results yet under {', '.join(options.runs)} that the paper has numbers for; e.g. "
            f"{RUN_TABLE}{missing[0].name}"
        )
    print(aligned(comparison.HEADER, [item.line() for item in found]))
    print("\n" + "\n".join(_missing_lines(missing)))


def _missing_lines(rows):
    """One line for every table of a dataset."""
    tables = {}
    for row in rows:
        tables.setdefault((row.table, row.dataset), []).append(row)
    for (table, dataset), missing in tables.items():
        methods = ", ".join(dict.fromkeys(row.method for row in missing))
        first = missing[0]
        yield (
            f"no results yet: {table}, {dataset}, {methods}; e.g. {RUN_TABLE}{first.name}, then "
            f"{first.measure} --workdir=RUN"
        )


if __name__ == "__main__":
    sys.exit(main())
