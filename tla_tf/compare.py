"""python -m tla_tf.compare: is one run better than another, and how far is the paper?

--workdir=A,B[,C]: what differs in training, who is ahead, accuracies under every attack that all
runs share. Differences have 95 % intervals and McNemar's test on the same images. Runs that differ
in their seed only are one method. --html=FILE writes the same as a page.
--runs=FOLDER: the paper's numbers beside the numbers of all runs there. A number is comparable
only if its training and its measurement have every setting of the row. "?": doubtful in the paper.
--html=FILE without --workdir: the networks of the TensorFlow 1 era, imported ones and ours.
Nothing is measured.
"""

import collections
import sys

from robust_tf.cli import command_line
from robust_tf.data.text_lines import visible
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_file
from tla_tf.options import COMPARE, TRAIN

RUN_TABLE = "python -m tla_tf.run_table --row="
# Ends in minutes, and stands beside a row of the paper.
QUICK = "python -m tla_tf.train --flagfile=flags/tla/mnist_quick.flags"


@command_line.command(COMPARE, __doc__)
def main(options):
    """Compares runs with each other, or with the paper."""
    if options.html:
        require_file("html", options.html)
    if options.workdir and "runs" in options.typed:
        raise UserError("--workdir compares runs, --runs sets runs beside the paper; give one")
    if options.workdir:
        _compare_runs(options.workdir, options.html)
    elif options.html:
        _write_tf_era(options.runs, options.html)
    else:
        _compare_with_paper(options.runs)


def _compare_runs(workdir, html):
    from robust_tf.reports.matrix_view import show
    from robust_tf.reports.recorded_run import evaluated_runs
    from tla_tf.reporting.accuracies import accuracy_matrix

    runs = evaluated_runs(workdir, "tla_tf", "method")
    show(accuracy_matrix(runs, TRAIN), html)


def _write_tf_era(places, html):
    """Writes the page of published networks, imported ones and ours."""
    from tla_tf.reporting import published_rows
    from tla_tf.reporting.tf_era import tf_era_page

    runs = _evaluated(places)
    tf_era_page(published_rows.rows(TRAIN), runs).write(html)
    print(f"page: {html}, with {len(runs)} runs")


def _compare_with_paper(places):
    """Prints the comparisons, then what has no results yet."""
    from tla_tf.reporting import comparison, published_rows

    rows = published_rows.rows(TRAIN)
    runs = _evaluated(places)
    if not runs:
        raise UserError(
            f"no results yet under {', '.join(places)}; {QUICK} makes some in minutes, "
            f"{RUN_TABLE}{rows[0].name} trains a row of the paper in its full length"
        )
    found = comparison.compare(rows, runs)
    missing = comparison.without_results(rows, found)
    if not found:
        print("\n".join(_nothing_in_common(runs, rows)))
        return
    lines = [*comparison.comparison_lines(found), "\n".join(_missing_lines(missing))]
    print(visible("\n\n".join(lines)))


def _evaluated(places):
    """Returns the runs of --runs= that have results."""
    from robust_tf.reports.recorded_run import find_runs

    try:
        return [run for run in find_runs(places) if run.results]
    except UserError as error:
        raise UserError(f"--runs: {error}") from None


def _nothing_in_common(runs, rows):
    """Which runs there are, and why none of them stands beside a row."""
    kinds = collections.Counter((run.results[0].dataset, run.results[0].method) for run in runs)
    seen = ", ".join(f"{dataset} {method} ({count})" for (dataset, method), count in kinds.items())
    yield f"nothing to compare; runs with results: {seen}"
    published = list(dict.fromkeys(row.dataset for row in rows if row.method))
    for dataset in dict.fromkeys(dataset for dataset, _ in kinds):
        if dataset in published:
            measure = "python -m tla_tf.evaluate --attacks=table1 --workdir=RUN"
            yield f"{dataset}: no method, attack and radius of the paper yet; {measure}"
        else:
            yield f"{dataset}: the paper has no row of it; its data are {', '.join(published)}"
    yield f"in minutes, on data of the paper: {QUICK}"


def _missing_lines(rows):
    """One line for every table of a dataset."""
    tables = {}
    for row in rows:
        tables.setdefault((row.table, row.dataset), []).append(row)
    for (table, dataset), missing in tables.items():
        methods = ", ".join(dict.fromkeys(row.method for row in missing))
        first = missing[0]
        yield (f"no results yet: {table}, {dataset}, {methods}; e.g. {RUN_TABLE}{first.name}")


if __name__ == "__main__":
    sys.exit(main())
