"""python -m tla_tf.evaluate --workdir=RUN: accuracy of a trained classifier under attack.

Every number comes with n, its attack's steps, step size and restarts, and a 95% interval; the
records are appended to RUN/results.jsonl.
"""

import sys

from robust_tf import command_line
from robust_tf.errors import UserError
from tla_tf import flags


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=flags.define_evaluate, body=evaluate, about=__doc__)


def evaluate(options):
    """Evaluates as the flags say."""
    if options.workdir is None:
        raise UserError("--workdir=RUN is required: the folder of a finished run")
    from robust_tf.data import registry as data
    from robust_tf.reports.accuracy_table import plain_table
    from robust_tf.training.strategy import use_xla
    from tla_tf import classifier_evaluation, config
    from tla_tf.finished_run import FinishedRun

    run = FinishedRun(options.workdir, options.data_dir)
    eps = run.flags["eps"] if options.eps is None else options.eps
    threat_model = config.threat_model(eps, options.norm)
    classifier_evaluation.presets_of(options.attacks, threat_model)
    print(data.describe(run.info.name, **run.reading))
    test = data.load(run.info.name, "test", limit=options.limit_test, **run.reading)
    results = classifier_evaluation.evaluate(
        run,
        test,
        options.attacks,
        threat_model,
        precision=options.precision,
        batch_size=options.batch_size,
        seed=options.seed,
        xla=use_xla(options.jit_compile),
    )
    print(f"\n{plain_table(results)}\n\nrecords: {run.folder.results}")


if __name__ == "__main__":
    sys.exit(main())
