"""Table 1 of HM beside the records of our samplers."""

from typing import NamedTuple

from hm_tf.evaluation.sampler_hardness import MEAN, OF_MEANS, OF_TRIPLETS
from hm_tf.reporting import published_rows
from robust_tf.reports import comparison
from robust_tf.reports.comparability import unlike
from robust_tf.reports.comparison import Comparison, comparison_table
from robust_tf.reports.published import PublishedRow
from robust_tf.reports.table import Column
from robust_tf.results.result import Result, read_results

RECORDS = "sampler_hardness.jsonl"
PAPER_BATCHES = 1000
OF_THE_PAPER = (
    "Table 1 of the paper is of a ResNet-18 with ImageNet weights on CUB before training; ours are "
    "of the trained networks, so only the order of the samplers can be compared."
)


class Measured(NamedTuple):
    """A row of the paper's table 1 beside the `Result`s of its sampler."""

    row: PublishedRow
    mean: Result
    variance: Result
    of_triplets: Result


COLUMNS = (
    Column("sampler", lambda found: found.mean.attack_settings["sampler"]),
    Column("triplets", lambda found: found.mean.n, ","),
    Column("E[H], paper", lambda found: found.row.values["E[H]"], ".3f"),
    Column("E[H]", lambda found: found.mean.value, ".3f"),
    Column("Var[H], paper", lambda found: found.row.values["Var[H]"], ".5f"),
    Column("Var of batch means", lambda found: found.variance.value, ".5f"),
    Column("Var of triplets", lambda found: found.of_triplets.value, ".5f"),
)


def recorded_hardness(folder, weights):
    """Returns the results of a network in a run folder, [] where nothing was measured.

    `weights` is the hash of the network's weights; a run that was trained on has others.
    """
    return [r for r in read_results(folder / RECORDS) if r.weights_hash == weights]


def measured(results):
    """Returns the list of `Measured`, one per sampler with results, of which the latest count."""
    found = [_measured(row, results) for row in published_rows.sampler_rows()]
    return [one for one in found if None not in one]


def beside(row, results):
    """Returns a row of `published_rows.sampler_rows` beside the latest `Result`s, as text."""
    found = _measured(row, results)
    numbers = [
        Comparison(row, name, name, result.value, digits, results=(result,))
        for name, result, digits in (
            ("E[H]", found.mean, 3),
            ("Var[H]", found.variance, 5),
            ("variance of triplets", found.of_triplets, 5),
        )
    ]
    said = comparison.statement(_differences(found.mean))
    return f"{row.name}: {said}\n{comparison_table(numbers)}"


def _measured(row, results):
    sampler = row.name.partition("/")[2]
    latest = {r.metric: r for r in results if r.attack_settings["sampler"] == sampler}
    return Measured(row, *map(latest.get, (MEAN, OF_MEANS, OF_TRIPLETS)))


def _differences(result):
    """What was measured otherwise than in the paper's table 1, list of str."""
    random = result.method == "untrained, none"
    facts = (
        ("data set", result.dataset, "cub200"),
        ("network", result.model, "resnet18"),
        ("batches", result.attack_settings["batches"], PAPER_BATCHES),
    )
    return unlike(facts) + ["random weights, not those of ImageNet"] * random
