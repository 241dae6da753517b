"""Trains and measures a row of the tables of the TLA or the HM paper.

    python tools/run_table.py --list
    python tools/run_table.py --row=table1/cifar10/tla [any flag of tla_tf.train]
    python tools/run_table.py --row='table6/CUB/HM[S,gLGA]&ICS/8' [any flag of hm_tf.train]

The same as `python -m tla_tf.run_table` and `python -m hm_tf.run_table`, for the rows of both.
"""

import sys

import hm_tf.run_table
import tla_tf.run_table
from robust_tf.cli.run_table import joined, matching

COMMANDS = (tla_tf.run_table, hm_tf.run_table)


def main(arguments):
    """Runs the command of each paper that has the rows; returns the first exit code but 0."""
    if {"--help", "-h"} & set(arguments):
        print(f"{__doc__}\nFlags of the rows of the TLA paper:\n")
    arguments = joined(arguments)
    given = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)
    name, pattern = given.get("row"), given.get("rows")
    own = [c for c in COMMANDS if "list" in given or matching(c.PAPER.rows(), name, pattern)]
    for command in own or COMMANDS[:1]:
        if code := command.main(["run_table", *arguments]):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
