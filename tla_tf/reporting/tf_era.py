"""Networks of the TensorFlow 1 era beside ours: networks against attacks, every number sourced."""

from typing import NamedTuple

from robust_tf.reports import published
from robust_tf.reports.comparability import in_ball
from robust_tf.reports.page import Page
from robust_tf.reports.published import DOUBT
from robust_tf.reports.recorded_run import without_folder
from robust_tf.reports.result_tables import doubt_lines, marked
from robust_tf.reports.table import Column, filled
from tla_tf.reporting.accuracies import accuracy_title
from tla_tf.reporting.comparable_runs import method_name
from tla_tf.reporting.published_rows import ANCHORS, CHALLENGE, FOLDER

ENTRIES = FOLDER / "tf_era.csv"
_SOURCES = {"table1": "Mao et al. 2019, table 1", ANCHORS: "AutoAttack's README, RobustBench"}
# What tells one training from another, in the order that it is shown in.
_TRAINING = ("model", "batch_size", "train_steps", "optimizer", "attack_steps", "init_from")


class Network(NamedTuple):
    """A row of the page.

    Attributes:
        name: Method, and what tells it from others of the method.
        accuracies: Dict from attack to the text of its cell, value and number of images.
        training: How the network was trained, in words.
        source: Where the numbers come from.
    """

    name: str
    accuracies: dict
    training: str
    source: str


def add_networks(page, rows, runs, dataset, eps):
    """Adds the table of the networks of one data set, under L-infinity attacks of one radius.

    Args:
        page: `Page`.
        rows: List of `PublishedRow`.
        runs: List of `RecordedRun` with results.
        dataset: Name of the data set.
        eps: Radius as text, e.g. "8/255".
    """
    networks = [_published(row) for row in rows if _is_of(row, dataset, eps)]
    own = [run for run in runs if run.results[0].dataset == dataset]
    networks += [_measured(run, eps) for run in own]
    attacks = list(dict.fromkeys(attack for found in networks for attack in found.accuracies))
    columns = [
        Column("network", lambda network: network.name),
        *(
            Column(name, lambda network, name=name: network.accuracies.get(name))
            for name in attacks
        ),
        Column("training", lambda network: network.training),
        Column("source", lambda network: network.source),
    ]
    caption = "Accuracy in %, in parentheses the number of test images. "
    caption += f"{DOUBT}: doubtful in the paper."
    page.section(f"{dataset}, linf eps={eps}")
    page.table(*filled(columns, networks), caption=caption)
    for line in doubt_lines([result for run in own for result in _shown(run, eps)]):
        page.paragraph(line)


def tf_era_page(rows, runs):
    """Returns the `Page`: a table per data set, the leaderboards and the tutorial.

    Args:
        rows: List of `PublishedRow`.
        runs: List of `RecordedRun` with results.
    """
    page = Page("The TensorFlow 1 era beside ours")
    for dataset, eps in dict.fromkeys((row.dataset, row.eps) for row in rows if _is_shown(row)):
        add_networks(page, rows, runs, dataset, eps)
    _add_entries(page)
    return page


def _is_shown(row):
    return row.table in ("table1", CHALLENGE)


def _is_of(row, dataset, eps):
    """Anchors without a method here are networks of other papers: they would hide the era's."""
    shown = _is_shown(row) or (row.table == ANCHORS and row.method)
    return shown and (row.dataset, row.norm, row.eps) == (dataset, "linf", eps)


def _published(row):
    accuracies = {
        name: f"{value:.2f}{row.mark(name)} ({row.n:,})" for name, value in row.values.items()
    }
    training = row.note or f"python -m tla_tf.train {' '.join(row.flags)}"
    source = _SOURCES.get(row.table, row.note)
    return Network(method_name(row.method), accuracies, training, source)


def _measured(run, eps):
    first, flags = run.results[0], run.flags
    accuracies = {
        accuracy_title(result): f"{marked(f'{100 * result.value:.2f}', [result])} ({result.n:,})"
        for result in _shown(run, eps)
    }
    if "checkpoint" in flags:
        name = f"imported: {flags['architecture']}"
        training = f"unknown, {without_folder(flags['checkpoint'])}"
    else:
        name = f"{method_name(first.method)}, seed {first.training_seed}"
        settings = {setting: flags.get(setting) for setting in _TRAINING}
        training = ", ".join(f"{key} {value}" for key, value in settings.items() if value)
    return Network(name, accuracies, training, f"here: {without_folder(run.path)}")


def _shown(run, eps):
    """The accuracies of a run on clean images and in the ball."""
    return [
        result
        for result in run.results
        if result.metric == "accuracy" and not result.after
        if not result.threat_model or in_ball(result, eps, "linf")
    ]


def _add_entries(page):
    collections = {}
    for line in published.read_lines(ENTRIES):
        collections.setdefault(line["collection"], []).append(line)
    for name, lines in collections.items():
        about = f"{lines[0]['dataset']}, eps {lines[0]['eps']}, n {int(lines[0]['n']):,}"
        columns = ("network", "attack", "by", "accuracy", "date")
        cells = [tuple(line[column] for column in columns) for line in lines]
        page.section(f"{name}: {about}")
        page.table(columns, cells, caption="Accuracy in %.")
