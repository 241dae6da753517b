"""python -m hm_tf.run_table --row='table6/CUB/HM[S,gLGA]&ICS/8': a row of the HM paper as a run.

Trains the row, measures retrieval and the ten attack columns as the authors' code does, and shows
paper, ours and difference. Flags of hm_tf.train may follow, e.g. --seed=1 --init_weights=FILE. What
is finished is not done again. Rows of table 1 measure the first weights; flags of hm_tf.analyze
may follow. --device_hours says what the trainings cost.
"""

import functools
import pathlib
import sys

from hm_tf.options import ANALYZE, TRAIN, workdir_of
from hm_tf.reporting import published_rows
from hm_tf.train import training_run
from robust_tf.cli import run_table


def commands(row, flags):
    """Returns the commands of a row, list of (module, arguments), see `run_table.Paper`."""
    if row.table == "table1":
        measure = ["--outputs=table1", *row.flags, *flags, f"--records={_records(row, flags)}"]
        return [("hm_tf.analyze", measure)]
    options = TRAIN.parse([*row.flags, *flags])
    measure = [f"--workdir={workdir_of(options)}", "--mode=compat"]
    measure += [f"--limit_test={options.limit_test}"] if options.limit_test else []
    return [("hm_tf.train", [*row.flags, *flags]), ("hm_tf.evaluate", measure)]


def comparison(row, flags):
    """Returns the row beside the numbers of its run, a str."""
    from hm_tf.reporting import hardness_records
    from hm_tf.reporting.paper_comparison import beside, reported_runs
    from robust_tf.reports.comparison import comparison_table
    from robust_tf.reports.recorded_run import recorded_run
    from robust_tf.results.result import read_results

    if row.table == "table1":
        return hardness_records.beside(row, read_results(_records(row, flags)))
    recorded = recorded_run(workdir_of(TRAIN.parse([*row.flags, *flags])))
    (run,) = reported_runs([recorded], TRAIN)
    found = beside(row, run)
    return f"{found.title()}: {found.statement}\n{comparison_table([*found.numbers()])}"


def _rows():
    return published_rows.sampler_rows() + published_rows.rows(TRAIN)


def _records(row, flags):
    """The file of the records of table 1, in which the latest count."""
    options = ANALYZE.parse([*row.flags, *flags])
    folder = pathlib.Path("runs/hm_tf") / options.dataset / "first_weights"
    return options.records or folder / f"sampler_hardness_seed{options.seed}.jsonl"


PAPER = run_table.Paper(_rows, commands, comparison, TRAIN, training_run)
main = functools.partial(run_table.run, paper=PAPER, about=__doc__)

if __name__ == "__main__":
    sys.exit(main())
