"""Trains a row of the tables of the TLA or the HM paper, then prints the published values.

    python tools/run_table.py --list
    python tools/run_table.py --row=table1/cifar10/tla [any flag of tla_tf.train]
    python tools/run_table.py --row='table6/CUB/HM[S,gLGA]&ICS/8' [any flag of hm_tf.train]
    python tools/run_table.py --row='table3/ACT[R]/8' --dry_run

--dry_run prints the command only. A row needs its data set, those of HM ImageNet weights too
(--init_weights).
"""

import importlib
import shlex
import sys

import hm_tf.reporting.published_rows
import tla_tf.reporting.published_rows
from robust_tf.errors import UserError
from robust_tf.reports import published

PAPERS = {"tla_tf": tla_tf.reporting.published_rows, "hm_tf": hm_tf.reporting.published_rows}


def main(arguments):
    """Runs the command; returns its exit code."""
    names = [value.removeprefix("--row=") for value in arguments if value.startswith("--row=")]
    own = ("--row=", "--list", "--dry_run")
    flags = [argument for argument in arguments if not argument.startswith(own)]
    packages = {row.name: package for package, rows in PAPERS.items() for row in rows.rows()}
    if "--list" in arguments:
        print("\n".join(row.name for row in _all_rows() if row.flags))
        return 0
    if len(names) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        row = _row(names[0])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    package = packages[row.name]
    print(shlex.join(["python", "-m", f"{package}.train", *row.flags, *flags]))
    code = 0 if "--dry_run" in arguments else _train(package, [*row.flags, *flags])
    print(f"published, {row.name}: {_published(row)}")
    if hasattr(row, "measure"):
        print(f"measure it: {row.measure} --workdir=RUN")
    return code


def _all_rows():
    return [row for rows in PAPERS.values() for row in rows.rows()]


def _row(name):
    row = published.find(_all_rows(), name)
    if not row.flags:
        raise UserError(f"{name} is quoted to compare with; no flags of this package reproduce it")
    return row


def _train(package, flags):
    return importlib.import_module(f"{package}.train").main(["train", *flags])


def _published(row):
    if getattr(row, "collapse", False):
        return "collapse"
    marks = {column: " ?" for column in row.doubtful}
    return ", ".join(f"{name} {value:g}{marks.get(name, '')}" for name, value in row.values.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
