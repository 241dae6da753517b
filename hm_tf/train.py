"""python -m hm_tf.train: robust deep metric learning, then retrieval on unseen classes.

Without flags: HM[S,gLGA]&ICS on the digits of scikit-learn, classes 0-4 to train, 5-9 to test. The
same command again resumes a run that was stopped, or reprints the result of a finished one.
"""

import sys

from hm_tf import flags
from robust_tf.cli import command_line


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=flags.define_train, body=train, about=__doc__, family="hm")


def train(options):
    """Trains as the flags say; returns the exit code."""
    from hm_tf.training_run import MetricTrainingRun
    from robust_tf.runs.training_run import execute

    return execute(MetricTrainingRun(options))


if __name__ == "__main__":
    sys.exit(main())
