"""python -m hm_tf.report --workdir=RUN[,RUN2,...] --output=report.html: one page on trained runs.

The claim with its threat model, retrieval, the ten attack columns with ERS, and checks. The
paper's tables beside ours, figures 1, 4, 6 to 8, rankings of attacked images, curves, settings. The
page opens from the disk and loads nothing. It shows what train, evaluate, analyze and attack have
stored, and names the commands for the rest.
"""

import sys

from hm_tf.options import REPORT, TRAIN
from robust_tf.cli import command_line
from robust_tf.results.output_place import require_file, require_folder


@command_line.command(REPORT, __doc__)
def main(options):
    """Writes the page, and the figures if a folder is given."""
    require_file("output", options.output)
    if options.figures_dir:
        require_folder("figures_dir", options.figures_dir)
    from hm_tf.reporting import published_rows
    from hm_tf.reporting import report_sections as sections
    from hm_tf.reporting.balance_figure import balance_figure
    from hm_tf.reporting.claim import headline
    from hm_tf.reporting.cost_figure import cost_figures
    from hm_tf.reporting.paper_comparison import reported_runs
    from hm_tf.reporting.report_attacks import add_attacks
    from hm_tf.reporting.score_matrix import score_matrix
    from robust_tf.reports.matrix_view import page_of
    from robust_tf.reports.recorded_run import evaluated_runs
    from robust_tf.reports.sections import add_training, training_figure

    recorded = evaluated_runs(options.workdir, "hm_tf", "defense")
    runs = reported_runs(recorded, TRAIN)
    rows = published_rows.rows(TRAIN)
    found = score_matrix(recorded, TRAIN)
    figures = cost_figures(rows, runs, found.methods)
    if balance := balance_figure(runs):
        figures["figure4"] = balance
    training = training_figure(found.methods, sections.QUANTITIES)
    page = page_of(found, headline(runs))
    page.section("Retrieval and ranking attacks")
    sections.add_scores(page, runs, found)
    sections.add_checks(page, runs)
    sections.add_comparison(page, rows, runs)
    sections.add_figures(page, figures)
    sections.add_hardness(page, runs)
    add_attacks(page, runs)
    add_training(page, runs, training)
    page.write(options.output)
    print(f"report: {options.output}")
    if options.figures_dir:
        _save({**figures, **({"training": training} if training else {})}, options.figures_dir)


def _save(figures, folder):
    import pathlib

    from robust_tf.reports.panels import save_figure

    for name, (figure, *_) in figures.items():
        path = pathlib.Path(folder) / f"{name}.svg"
        save_figure(figure, path)
        print(f"figure: {path}")


if __name__ == "__main__":
    sys.exit(main())
