"""python -m hm_tf.train: robust deep metric learning, then retrieval on unseen classes.

Without flags: HM[S,gLGA]&ICS on two-digit numbers made of scikit-learn's digits, 50 numbers to
train and 50 others to test. The same command again resumes a run that was stopped, or reprints the
result of a finished one.
"""

import pathlib
import sys

from hm_tf.options import TRAIN, likely_collapse, notes, workdir_of
from robust_tf.cli import command_line


@command_line.command(TRAIN, __doc__)
def main(options):
    """Trains as the flags say; returns the exit code."""
    from robust_tf.runs.training_run import execute

    return execute(training_run(options))


def training_run(options):
    """Returns the `MetricTrainingRun` of the flags."""
    from hm_tf.defenses.build import DefenseSettings
    from hm_tf.reporting.next_trainings import next_trainings
    from hm_tf.runs.training_run import MetricSettings, MetricTrainingRun
    from robust_tf import data

    workdir = workdir_of(options)
    settings = options.fill(
        MetricSettings,
        run_identity=options.run_identity(),
        workdir=workdir,
        notes=notes(options),
        defense=DefenseSettings.read(options.defense, options.arguments),
        likely_collapse=likely_collapse(options),
        next_commands=options.fill(
            next_trainings, folder=pathlib.Path(workdir), named=bool(options.workdir)
        ),
    )
    return MetricTrainingRun(data.of_run(options.flags), settings)


if __name__ == "__main__":
    sys.exit(main())
