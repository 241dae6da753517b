"""python -m hm_tf.compare --workdir=A,B[,C] [--html=FILE]: is one run better than another?

What differs in training, who is ahead, retrieval and ranking attacks side by side, differences with
95 % intervals and tests on the same queries. Runs that differ in their seed only are one method.
--html=FILE writes the same as a page. Nothing is measured.
"""

import sys

from hm_tf.options import COMPARE, TRAIN
from robust_tf.cli import command_line
from robust_tf.results.output_place import require_file


@command_line.command(COMPARE, __doc__)
def main(options):
    """Prints the comparison, and writes its page if a file is named."""
    if options.html:
        require_file("html", options.html)
    from hm_tf.reporting.score_matrix import score_matrix
    from robust_tf.reports.matrix_view import show
    from robust_tf.reports.recorded_run import evaluated_runs

    runs = evaluated_runs(options.workdir, "hm_tf", "defense")
    show(score_matrix(runs, TRAIN), options.html)


if __name__ == "__main__":
    sys.exit(main())
