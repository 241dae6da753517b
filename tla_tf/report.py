"""python -m tla_tf.report --workdir=RUN[,RUN2,...] --output=report.html: one page on trained runs.

The claim with its threat model, the paper's numbers beside ours, checks, figures, attacked images,
curves, settings. The page opens from the disk and loads nothing. It shows what train, evaluate and
analyze have stored; what they have not made yet it names, with the command.
"""

import sys

from robust_tf.cli import command_line
from robust_tf.results.output_place import require_file
from tla_tf.options import REPORT, TRAIN


@command_line.command(REPORT, __doc__)
def main(options):
    """Writes the page."""
    require_file("output", options.output)
    from robust_tf.reports.matrix_view import page_of
    from robust_tf.reports.recorded_run import ReportedRun, evaluated_runs
    from robust_tf.reports.sections import add_training, training_figure
    from tla_tf.reporting import comparison, published_rows
    from tla_tf.reporting import report_sections as sections
    from tla_tf.reporting.accuracies import accuracy_matrix
    from tla_tf.reporting.claim import headline
    from tla_tf.reporting.comparable_runs import panel_names

    recorded = evaluated_runs(options.workdir, "tla_tf", "method")
    names = panel_names([run.flags for run in recorded], [run.path for run in recorded])
    runs = list(map(ReportedRun, names, recorded))
    rows = published_rows.rows(TRAIN)
    comparisons = comparison.compare(rows, recorded)
    found = accuracy_matrix(recorded, TRAIN)
    page = page_of(found, headline(runs))
    sections.add_accuracies(page, runs, found)
    sections.add_checks(page, runs)
    sections.add_table_1(page, runs, rows, comparisons)
    sections.add_analyses(page, runs, found.methods, comparisons)
    sections.add_images(page, runs, options.data_dir)
    add_training(page, runs, training_figure(found.methods, sections.QUANTITIES))
    page.write(options.output)
    print(f"report: {options.output}")


if __name__ == "__main__":
    sys.exit(main())
