"""python -m tla_tf.evaluate --workdir=RUN: accuracy of a trained classifier under attack.

Every number comes with n, its attack's steps, step size and restarts, and a 95% interval; the last
line, the worst case, counts the images that withstand everything. The records are appended to
RUN/results.jsonl. What each image did is kept in RUN/evaluation: the same command after a crash goes
on where it stopped.
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
    from tla_tf import config
    from tla_tf.attack_columns import attack_columns
    from tla_tf.classifier_evaluation import evaluation_of
    from tla_tf.finished_run import FinishedRun

    run = FinishedRun(options.workdir, options.data_dir)
    eps = run.flags["eps"] if options.eps is None else options.eps
    threat_model = config.threat_model(eps, options.norm)
    columns = attack_columns(options.attacks, threat_model, run.info.name)
    print(data.describe(run.info.name, **run.reading))
    evaluation = evaluation_of(
        run,
        data.load(run.info.name, "test", limit=options.limit_test, **run.reading),
        seed=options.seed,
        precision=options.precision,
        batch_size=options.batch_size,
        xla=use_xla(options.jit_compile),
        fresh=options.fresh,
    )
    evaluation.run(columns)
    evaluation.record_worst_case()
    print(f"\n{plain_table(evaluation.results)}\n\nrecords: {run.folder.results}")


if __name__ == "__main__":
    sys.exit(main())
