"""Copies the records of finished runs into one file and renders their table.

    python tools/collect_results.py docs/results/records/digits runs/tla_tf/digits/*/seed*

writes digits.jsonl there (all records), digits.flags.json (the flags of the trainings, by the hash
of the weights) and digits.md: the table, and for every run its command, commit and training time.
"""

import argparse
import json
import pathlib
import sys

from hm_tf.evaluation import recorded_scores
from robust_tf.cli.flag import written
from robust_tf.errors import UserError
from robust_tf.reports.matrix_view import notes, table_of
from robust_tf.reports.recorded_run import flags_by_weights, recorded_run
from robust_tf.reports.result_tables import doubt_lines, marked
from robust_tf.reports.table import markdown
from robust_tf.results import atomic
from robust_tf.results.result import append_results, read_results
from robust_tf.runs.run_folder import RunFolder
from tla_tf.options import TRAIN
from tla_tf.reporting.accuracies import accuracy_matrix

SHOWN = (
    "dataset method defense source destination ics model batch_size "
    "train_steps eps inner_attack attack_steps pgd_steps attack_objective "
    "pool pool_mul embedding loss distance ics_triplet norm free "
    "optimizer learning_rates schedule weight_decay ema precision"
).split()
# Shown where they are not 0.
PARTS = (
    "limit_train",
    "awp",
    "eps_warmup_steps",
    "triplet_warmup_steps",
    "label_smoothing",
    "cutmix",
)


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=pathlib.Path, help="path of the files without their ends")
    parser.add_argument("runs", type=pathlib.Path, nargs="+", help="folders of evaluated runs")
    given = parser.parse_args(arguments)
    output, runs = given.output, given.runs
    try:
        recorded = [recorded_run(run) for run in runs]
    except UserError as error:
        parser.error(str(error))
    if empty := [str(run.path) for run in recorded if not run.results]:
        parser.error(f"no results yet: {', '.join(empty)}")
    results = [result for run in runs for result in read_results(run / "results.jsonl")]
    lines = [f"# {output.name}", "", _table(recorded), "", "## Runs", ""]
    lines += ["| run | training, s | commit | main flags |", "|---|---|---|---|"]
    lines += [_run_line(run) for run in runs]
    output.parent.mkdir(parents=True, exist_ok=True)
    # What was collected before goes only now that nothing is missing.
    records = output.with_suffix(".jsonl")
    records.unlink(missing_ok=True)
    append_results(records, results)
    flags = json.dumps(flags_by_weights(recorded), indent=1)
    atomic.write(output.with_suffix(".flags.json"), flags)
    atomic.write(output.with_suffix(".md"), "\n".join(lines) + "\n")
    print("\n".join(lines))


def _table(recorded):
    if any("defense" in run.flags for run in recorded):
        return _score_table(recorded)
    # Of a classifier the accuracies; what its embeddings were analysed for is another table.
    found = accuracy_matrix(recorded, TRAIN)
    return "\n\n".join([markdown(*table_of(found)), *notes(found.rows)])


def _name(run):
    """What the commands called it."""
    return f"{run.parent.name} {run.name}"


def _score_table(runs):
    """The ranking attacks: one line for every run, mode and strength."""
    rows = [
        (_name(run.path), run.measured, row)
        for run in runs
        for row in recorded_scores.score_rows(run.measured)
    ]
    eps = recorded_scores.radii([row for *_, row in rows])
    lines, shown = [], []
    for name, measured, row in rows:
        clean = recorded_scores.clean_percents(measured, row.on.gallery)
        cells = [recorded_scores.text(name, clean.get(name)) for name in recorded_scores.CLEAN]
        numbers = [*recorded_scores.latest_clean(measured, row.on.gallery).values(), *row.results]
        of_run = marked(name, numbers), measured[0].method, str(measured[0].training_seed)
        shown += numbers
        of_row = *of_run, row.mode, row.strength
        radius = [column.cell(row) for column in eps]
        lines.append((*of_row, *radius, f"{row.on.n:,}", *cells, *row.cells()))
    columns = (*(column.title for column in eps), "n", *recorded_scores.ALL)
    header = "run", "defense", "seed", "mode", "strength", *columns
    return "\n\n".join([markdown(header, lines), *doubt_lines(shown)])


def _run_line(run):
    folder = RunFolder(run)
    seconds = sum(line["seconds"] for line in folder.read_metrics())
    flags = folder.read_flags().items()
    values = {name: value for name, value in flags if name in SHOWN and value is not None}
    values |= {name: value for name, value in flags if name in PARTS and value}
    if values.get("defense") != "hm":
        values.pop("destination", None)  # nobody but hm has one: typed, it is refused
    flags = " ".join(f"--{name}={written(value)}" for name, value in values.items())
    # An installed package knows no commit.
    commits = [(segment.get("commit") or "-")[:12] for segment in folder.segments()]
    commit = ", ".join(commits) or "-"
    return f"| {_name(run)} | {seconds:.0f} | {commit} | `{flags}` |"


if __name__ == "__main__":
    main(sys.argv[1:])
