"""Renders docs/results/index.html from the records: a line, a picture and a link per experiment.

python tools/results_index.py docs/results
"""

import pathlib
import sys

from hm_tf.reporting.score_matrix import score_matrix
from robust_tf.reports.matrix import decisive, verdicts
from robust_tf.reports.matrix_view import add_bars, add_table
from robust_tf.reports.page import Page
from robust_tf.reports.recorded_run import find_runs
from tla_tf.reporting.accuracies import accuracy_matrix

# Title, records, matrix, links to the text and to the page of the runs.
EXPERIMENTS = (
    ("TLA on digits", ["tla_digits"], accuracy_matrix, ["tla.md", "reports/digits.html"]),
    ("TLA on MNIST", ["tla_mnist_quick", "tla_mnist_quick_seed1"], accuracy_matrix)
    + (["tla.md", "reports/mnist_quick.html"],),
    ("TLA on CIFAR-10", ["tla_cifar10_quick", "tla_cifar10_quick_seed1"], accuracy_matrix)
    + (["tla.md", "reports/cifar10_quick.html"],),
    ("TLA on 20 classes of Tiny ImageNet", ["tla_tiny20"], accuracy_matrix, ["tla.md"]),
    ("HM on digits", ["hm_digits"], score_matrix, ["hm.md"]),
    ("HM on MNIST", ["hm_mnist"], score_matrix, ["hm.md", "reports/hm_mnist.html"]),
    ("HM on 20 classes of Tiny ImageNet", ["hm_tiny20"], score_matrix)
    + (["hm.md", "reports/hm_tiny20.html"],),
)
LEAD = (
    "Small networks and short schedules on two CPU cores: no number here can be compared with the "
    "papers. Every number comes from a record in records/; the texts say what was predicted."
)


def main(arguments):
    if len(arguments) != 1:
        sys.exit("usage: python tools/results_index.py FOLDER")
    folder = pathlib.Path(arguments[0])
    page = Page("Results of real runs", LEAD)
    for title, records, matrix, links in EXPERIMENTS:
        runs = find_runs([folder / "records" / f"{name}.jsonl" for name in records])
        methods, rows = matrix(runs)
        decided = decisive(rows)
        page.section(title)
        page.paragraph(verdicts(rows))
        worst = [row for row in rows if row.over and row is not decided]
        shown = [rows[0], *([decided] * (decided is not rows[0])), *worst]
        add_bars(page, methods, shown)
        with page.details("All attacks and the methods that were measured with them"):
            add_table(page, methods, rows)
        for link in links:
            page.link(link, link)
    page.write(folder / "index.html")


if __name__ == "__main__":
    main(sys.argv[1:])
