"""Renders docs/results from its records: index.html, and a page per experiment without run folders.

    python tools/results_pages.py docs/results

tla_tf.report and hm_tf.report make the pages of experiments whose run folders are at hand.
"""

import argparse
import pathlib
import sys
from typing import NamedTuple

import hm_tf.options
import hm_tf.reporting.claim
import hm_tf.reporting.published_rows
import hm_tf.reporting.report_sections as hm_sections
import tla_tf.options
import tla_tf.reporting.claim
import tla_tf.reporting.published_rows
import tla_tf.reporting.report_sections as tla_sections
from hm_tf.reporting import paper_comparison
from hm_tf.reporting.score_matrix import score_matrix
from robust_tf.errors import UserError
from robust_tf.reports.matrix_view import add_bars
from robust_tf.reports.page import Page
from robust_tf.reports.recorded_run import ReportedRun, distinct_names, find_runs
from robust_tf.reports.verdict import decisive, headline, verdicts
from tla_tf.reporting import comparison
from tla_tf.reporting.accuracies import accuracy_matrix
from tla_tf.reporting.comparable_runs import method_name

LEAD = (
    "Small networks and short schedules on two CPU cores: no number here can be compared with the "
    "papers. Every number comes from a record; the texts say what was predicted. A comparison over "
    "seeds alone leaves out the spread over images: the pages of run folders are stricter."
)
MISSING = (
    "This page is made of records: the run folders were not kept. Missing are training curves, "
    "attacked images, accuracy over ε and over attack steps. The outcomes of single images are "
    "missing, too, so differences are tested without pairing."
)


class Experiment(NamedTuple):
    """Records that belong together.

    Attributes:
        title: str.
        records: list of names of .jsonl files.
        text: the .md file with predictions and conclusions.
        page: name of the page of the runs, None without one.
        checks: name of the .jsonl file with the checks; None where the page has run folders.
    """

    title: str
    records: list
    text: str
    page: str | None = None
    checks: str | None = None

    @property
    def of_classifiers(self):
        """Whether the records are accuracies."""
        return self.records[0].startswith("tla")


EXPERIMENTS = (
    Experiment("TLA on digits", ["tla_digits"], "tla.md", "digits"),
    Experiment(
        "TLA on digits under AutoAttack", ["tla_digits_standard"], "tla.md", "digits_standard"
    ),
    Experiment(
        "TLA on digits with an average of the weights, one cycle and decay",
        ["tla_digits_strong"],
        "recipes.md",
        "digits_strong",
    ),
    Experiment(
        "TLA on MNIST with an average of the weights, one cycle and decay",
        ["tla_mnist_strong"],
        "recipes.md",
        "mnist_strong",
    ),
    Experiment("TLA on MNIST", ["tla_mnist_quick"], "recipes.md", "mnist_quick"),
    Experiment("TLA on MNIST, two more seeds", ["tla_mnist_seeds"], "recipes.md"),
    Experiment("Factors of the recipe of MNIST", ["tla_mnist_factors"], "recipes.md"),
    Experiment(
        "TLA on MNIST, an earlier recipe that masks gradients",
        ["tla_mnist_masked", "tla_mnist_masked_seed1"],
        "tla.md",
        page="mnist_masked",
        checks="tla_checks",
    ),
    Experiment("TLA on CIFAR-10", ["tla_cifar10_quick"], "recipes.md", "cifar10_quick"),
    Experiment(
        "TLA on CIFAR-10, an earlier recipe",
        ["tla_cifar10_earlier", "tla_cifar10_earlier_seed1"],
        "tla.md",
        page="cifar10_earlier",
        checks="tla_checks",
    ),
    Experiment("TLA on 20 classes of Tiny ImageNet", ["tla_tiny20"], "tla.md"),
    Experiment("HM on two-digit numbers", ["hm_digit_pairs"], "hm.md", "hm_digit_pairs"),
    Experiment("HM on digits", ["hm_digits"], "hm.md"),
    Experiment("HM on MNIST", ["hm_mnist"], "hm.md", "hm_mnist", "hm_mnist_checks"),
    Experiment(
        "HM on MNIST under the standard attack", ["hm_mnist_standard"], "hm.md", "hm_mnist_standard"
    ),
    Experiment(
        "HM on 20 classes of Tiny ImageNet",
        ["hm_tiny20"],
        "hm.md",
        page="hm_tiny20",
        checks="hm_tiny20_checks",
    ),
    Experiment(
        "HM on 20 classes of Tiny ImageNet under the standard attack",
        ["hm_tiny20_standard"],
        "hm.md",
        "hm_tiny20_standard",
    ),
    Experiment(
        "HM on 20 classes of Tiny ImageNet from robust classifiers",
        ["hm_tiny20_starts"],
        "recipes.md",
        "hm_tiny20_starts",
    ),
    *(
        Experiment(title, [records], "ablations.md")
        for title, records in (
            ("HM's objective in the attack of TLA, on digits", "tla_digits_hardness"),
            ("HM's objective in the attack of TLA, on CIFAR-10", "tla_cifar10_hardness"),
            ("Free adversarial training with HM on MNIST", "hm_mnist_free"),
            ("Free adversarial training with HM on 20 classes of Tiny ImageNet", "hm_tiny20_free"),
            ("Triplets of the sextuplet under HM on digits", "hm_digits_sextuplet"),
            ("Losses and distances under HM on digits", "hm_digits_losses"),
            ("The L2 ball of HM on digits", "hm_digits_l2"),
        )
    ),
)


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="has records/; pages go to reports/")
    folder = parser.parse_args(arguments).folder
    try:
        _write(folder)
    except UserError as error:
        parser.error(str(error))


def _write(folder):
    index = Page("Results of real runs", LEAD)
    for experiment in EXPERIMENTS:
        records = [folder / "records" / f"{name}.jsonl" for name in experiment.records]
        checks = experiment.checks and folder / "records" / f"{experiment.checks}.jsonl"
        runs = find_runs(records, checks)
        found = _matrix(experiment.of_classifiers, runs)
        path = folder / "reports" / f"{experiment.page}.html"
        if experiment.checks:
            add = _classifiers if experiment.of_classifiers else _embeddings
            page = add(experiment.title, runs, found)
            page.link("What was predicted, and what came out", f"../{experiment.text}")
            page.missed.clear()  # nobody has the folders
            page.write(path)
        _add_experiment(index, experiment, found, path.exists())
    index.write(folder / "index.html")


def _matrix(of_classifiers, runs):
    if of_classifiers:
        return accuracy_matrix(runs, tla_tf.options.TRAIN)
    return score_matrix(runs, hm_tf.options.TRAIN)


def _add_experiment(page, experiment, found, has_page):
    """A line, a picture and links."""
    of_all = [row for row in found.rows if not row.missing] or found.rows
    decided, first = decisive(found.rows), of_all[0]
    page.section(experiment.title)
    page.paragraph(verdicts(found.rows))
    add_bars(page, found, [first, *([decided] * (decided is not first))])
    if has_page:
        page.link("All numbers, pictures and checks", f"reports/{experiment.page}.html")
    page.link("What was predicted, and what came out", experiment.text)


def _classifiers(title, runs, found):
    titles = [method_name(run.results[0].method) for run in runs]
    seeds = [(run.results[0].training_seed, run.path.stem) for run in runs]
    reported = [
        ReportedRun(name, run)
        for name, run in zip(distinct_names(titles, seeds), runs, strict=True)
    ]
    rows = tla_tf.reporting.published_rows.rows(tla_tf.options.TRAIN)
    compared = comparison.compare(rows, runs)
    page = Page(title, *headline(found, tla_tf.reporting.claim.headline(reported)))
    tla_sections.add_accuracies(page, reported, found)
    page.paragraph(MISSING)
    tla_sections.add_checks(page, reported)
    tla_sections.add_table_1(page, reported, rows, compared)
    return page


def _embeddings(title, runs, found):
    reported = paper_comparison.reported_runs(runs, hm_tf.options.TRAIN)
    rows = hm_tf.reporting.published_rows.rows(hm_tf.options.TRAIN)
    page = Page(title, *headline(found, hm_tf.reporting.claim.headline(reported)))
    page.section("Retrieval and ranking attacks")
    hm_sections.add_scores(page, reported, found)
    page.paragraph(MISSING)
    hm_sections.add_checks(page, reported)
    hm_sections.add_comparison(page, rows, reported)
    return page


if __name__ == "__main__":
    main(sys.argv[1:])
