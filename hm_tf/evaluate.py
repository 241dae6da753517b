"""python -m hm_tf.evaluate --workdir=RUN: retrieval of a trained network on the test classes.

R@1, R@2, mAP, MAP@R and NMI of the clean images, and R@1 under the ES attack, with n, the steps of
the attack and a 95% interval. The records are appended to RUN/results.jsonl.
"""

import sys

from hm_tf import flags
from robust_tf import command_line
from robust_tf.errors import UserError


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=flags.define_evaluate, body=evaluate, about=__doc__)


def evaluate(options):
    """Evaluates as the flags say."""
    if not options.workdir:
        raise UserError("--workdir=RUN is required, the folder of a finished run")
    from hm_tf import metric_evaluation
    from hm_tf.finished_run import FinishedRun
    from robust_tf.reports.metric_table import metric_table
    from robust_tf.training.strategy import use_xla

    run = FinishedRun(options.workdir, options.data_dir)
    results = metric_evaluation.evaluate(
        run.network(options.precision),
        run.test_images(options.limit_test),
        run.attack(options.eval_steps),
        run.folder.results,
        precision=options.precision,
        batch_size=options.batch_size,
        xla=use_xla(options.jit_compile),
        **run.facts,
    )
    print(f"\n{metric_table(results)}\n\nrecords: {run.folder.results}")


if __name__ == "__main__":
    sys.exit(main())
