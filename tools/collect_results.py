"""Copies the records of finished runs into one file and renders their table.

    python tools/collect_results.py docs/results/digits runs/tla_tf/digits/*/seed*

writes docs/results/digits.jsonl (all records) and docs/results/digits.md: the table, and for every run
its command, commit and training time.
"""

import json
import pathlib
import sys

from robust_tf.evaluation.records import append_results, read_results
from robust_tf.reports.method_table import method_table

SHOWN = (
    *("dataset", "method", "defense", "source", "destination", "ics", "model", "batch_size"),
    *("train_steps", "eps", "attack_steps", "pgd_steps", "pool", "precision"),
)


def main(arguments):
    if len(arguments) < 2:
        sys.exit("usage: python tools/collect_results.py OUTPUT RUN [RUN ...]")
    output, *runs = map(pathlib.Path, arguments)
    records = output.with_suffix(".jsonl")
    records.unlink(missing_ok=True)
    results = [result for run in runs for result in read_results(run / "results.jsonl")]
    append_results(records, results)
    # Of a classifier the accuracies; what its embeddings were analysed for is another table.
    shown = [result for result in results if result.metric == "accuracy"] or results
    lines = [f"# {output.name}", "", method_table(shown), "", "## Runs", ""]
    lines += ["| run | training, s | commit | main flags |", "|---|---|---|---|"]
    lines += [_run_line(run) for run in runs]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _run_line(run):
    config = json.loads((run / "config.json").read_text())
    metrics = (run / "metrics.jsonl").read_text().splitlines()
    seconds = sum(json.loads(line)["seconds"] for line in metrics)
    values = {name: value for name, value in config["flags"].items() if name in SHOWN}
    flags = " ".join(f"--{name}={value}" for name, value in values.items())
    return f"| {run.parent.name} {run.name} | {seconds:.0f} | {config['commit'][:12]} | `{flags}` |"


if __name__ == "__main__":
    main(sys.argv[1:])
