"""python -m tla_tf.run_table --row=table1/cifar10/tla: a row of the TLA paper's tables as a run.

Trains the row, measures all its columns, and shows paper, ours and difference. The black-box column
of table 1 transfers images from UM and AT of the next seed. They are trained too; a given flag that
they do not read is left out. --rows=pool/*, lambda/* and margin/* are series over a setting; on
other data with --dataset. Flags of tla_tf.train may follow, e.g. --seed=1. What is finished is not
done again. --device_hours says what the trainings cost.
"""

import functools
import sys

from robust_tf.cli import run_table
from tla_tf.options import TRAIN, workdir_of
from tla_tf.reporting import published_rows
from tla_tf.train import training_run

SUBSTITUTES = ("um", "at")


def commands(row, flags):
    """Returns the commands of a row, list of (module, arguments), see `run_table.Paper`."""
    training = [*row.flags, *flags]
    options = TRAIN.parse(training)
    folder = workdir_of(options)
    module, measure = row.measure
    measure += [f"--workdir={folder}"]
    measure += [f"--limit_test={options.limit_test}"] if options.limit_test else []
    others = [_substitute(training, method) for method in SUBSTITUTES]
    others = others if row.table == "table1" else []
    measure += [f"--substitute={workdir_of(TRAIN.parse(other))}" for other in others]
    trainings = [("tla_tf.train", arguments) for arguments in (training, *others)]
    return [*trainings, (module, measure)]


def comparison(row, flags):
    """Returns the row beside the numbers of its run, a str."""
    from robust_tf.reports.recorded_run import recorded_run
    from tla_tf.reporting import comparison

    run = recorded_run(workdir_of(TRAIN.parse([*row.flags, *flags])))
    found = comparison.compare([row], [run])
    if not found:
        return f"{row.name}: data set, method, norm or radius of the run are not the row's"
    return "\n\n".join(comparison.comparison_lines(found))


def _substitute(training, method):
    """The arguments of a training like the row's, of another method and of the next seed.

    A flag that the method does not read is left out.
    """
    options = TRAIN.parse(training)
    unread = TRAIN.unread({**options.flags, "method": method}) & options.typed
    arguments = run_table.without(training, unread, TRAIN) if unread else training
    arguments = [*arguments, f"--method={method}", f"--seed={options.seed + 1}"]
    if options.workdir:
        arguments.append(f"--workdir={options.workdir}-{method}-substitute")
    return arguments


def _rows():
    """The series stay out of other comparisons: each of their rows is a variant of table 1's."""
    return published_rows.rows(TRAIN) + published_rows.series_rows(TRAIN)


PAPER = run_table.Paper(_rows, commands, comparison, TRAIN, training_run)
main = functools.partial(run_table.run, paper=PAPER, about=__doc__)

if __name__ == "__main__":
    sys.exit(main())
