"""Trains a row of the HM paper's tables, then prints the published values.

    python tools/run_table.py --list
    python tools/run_table.py --row='table6/CUB/HM[S,gLGA]&ICS/8' [any flag of hm_tf.train]
    python tools/run_table.py --row='table3/ACT[R]/8' --dry_run

--dry_run prints the command only. A row needs its data set and ImageNet weights (--init_weights).
"""

import shlex
import sys

from hm_tf import published_rows
from robust_tf.errors import UserError


def main(arguments):
    """Runs the command; returns its exit code."""
    names = [value.removeprefix("--row=") for value in arguments if value.startswith("--row=")]
    own = ("--row=", "--list", "--dry_run")
    flags = [argument for argument in arguments if not argument.startswith(own)]
    if "--list" in arguments:
        print("\n".join(row.name for row in published_rows.rows()))
        return 0
    if len(names) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        row = published_rows.get(names[0])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(shlex.join(["python", "-m", "hm_tf.train", *row.flags, *flags]))
    code = 0 if "--dry_run" in arguments else _train([*row.flags, *flags])
    print(f"published, {row.name}: {_published(row)}")
    return code


def _train(flags):
    from hm_tf import train

    return train.main(["train", *flags])


def _published(row):
    if row.collapse:
        return "collapse"
    return ", ".join(f"{metric} {value:g}" for metric, value in row.values.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
