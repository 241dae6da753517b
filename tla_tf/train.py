"""python -m tla_tf.train: trains a defense of the TLA paper, then evaluates it.

Without flags: TLA on the digits of scikit-learn. --dataset=cifar10 or mnist takes the recipe of
the paper. The same command again resumes a run that was stopped, or reprints the result of a
finished one.
"""

import sys

from robust_tf.cli import command_line
from tla_tf.options import TRAIN, likely_masking, notes, workdir_of


@command_line.command(TRAIN, __doc__)
def main(options):
    """Trains as the flags say; returns the exit code."""
    from robust_tf.runs.training_run import execute

    return execute(training_run(options))


def training_run(options):
    """Returns the `ClassifierTrainingRun` of the flags."""
    from robust_tf import data
    from tla_tf.defenses.build import DefenseSettings
    from tla_tf.runs.training_run import ClassifierSettings, ClassifierTrainingRun

    settings = options.fill(
        ClassifierSettings,
        run_identity=options.run_identity(),
        workdir=workdir_of(options),
        notes=notes(options),
        likely_masking=likely_masking(options),
        defense=DefenseSettings.read(options.method, options.arguments),
    )
    return ClassifierTrainingRun(data.of_run(options.flags), settings)


if __name__ == "__main__":
    sys.exit(main())
