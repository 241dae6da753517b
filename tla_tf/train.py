"""python -m tla_tf.train: trains a defense of the TLA paper, then evaluates it.

Without flags: TLA on the digits of scikit-learn. --dataset=cifar10 or mnist takes the recipe of
the paper; the same command again resumes a run that was stopped, or reprints the result of a
finished one.
"""

import sys

from robust_tf.cli import command_line
from tla_tf import flags


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(
        argv, define=flags.define_train, body=train, about=__doc__, family="tla"
    )


def train(options):
    """Trains as the flags say; returns the exit code."""
    from robust_tf.runs.training_run import execute
    from tla_tf.training_run import ClassifierTrainingRun

    return execute(ClassifierTrainingRun(options))


if __name__ == "__main__":
    sys.exit(main())
