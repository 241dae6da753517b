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


def main(arguments):
    if len(arguments) < 2:
        sys.exit("usage: python tools/collect_results.py OUTPUT RUN [RUN ...]")
    output, *runs = map(pathlib.Path, arguments)
    records = output.with_suffix(".jsonl")
    records.unlink(missing_ok=True)
    results = [result for run in runs for result in read_results(run / "results.jsonl")]
    append_results(records, results)
    lines = [f"# {output.name}", "", method_table(results), "", "## Runs", ""]
    lines += ["| run | training, s | commit | main flags |", "|---|---|---|---|"]
    lines += [_run_line(run) for run in runs]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _run_line(run):
    config = json.loads((run / "config.json").read_text())
    metrics = (run / "metrics.jsonl").read_text().splitlines()
    seconds = sum(json.loads(line)["seconds"] for line in metrics)
    shown = ("model", "batch_size", "train_steps", "eps", "attack_steps", "pool", "precision")
    flags = " ".join(f"--{name}={config['flags'][name]}" for name in shown)
    name = (
        f"{config['flags']['dataset']} {config['flags']['method']} seed {config['flags']['seed']}"
    )
    return f"| {name} | {seconds:.0f} | {str(config['commit'])[:12]} | `{flags}` |"


if __name__ == "__main__":
    main(sys.argv[1:])
