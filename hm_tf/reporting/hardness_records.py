"""Table 1 of HM as records and as text."""

from hm_tf.reporting import published_rows
from robust_tf.reports.table import aligned
from robust_tf.results.result import measured_value, read_results, shared_fields

RECORDS = "sampler_hardness.jsonl"
PAPER_BATCHES = 1000
MEAN = "mean hardness"
# The paper does not say of what its variance is. That of single triplets is far larger.
OF_MEANS = "variance of a batch's mean hardness"
OF_TRIPLETS = "variance of a triplet's hardness"
OF_THE_PAPER = (
    "Table 1 of the paper is of a ResNet-18 with ImageNet weights on CUB before training; ours are "
    "of the trained networks, so only the order of the samplers can be compared."
)
HEADER = ("sampler", "triplets", "E[H], paper", "E[H]", "Var[H], paper", "Var of batch means") + (
    "Var of triplets",
)


def hardness_results(found, network, *, batches, seed, **facts):
    """Returns the list of `Result`, three per sampler.

    Args:
        found: what `sampler_hardness` returns.
        network: whose embeddings these are.
        batches: int, how many there were.
        seed: Seed of batches and draws.
        **facts: dataset, method, training_seed and segments, see `Result`.
    """
    about = shared_fields(network, split="train", seed=seed, **facts)
    return [
        measured_value(
            about, metric, value, values.triplets, settings={"sampler": name, "batches": batches}
        )
        for name, values in found.items()
        for metric, value in zip((MEAN, OF_MEANS, OF_TRIPLETS), values[:3], strict=True)
    ]


def recorded_hardness(folder, weights):
    """Returns the latest results of a network in a run folder, [] where nothing was measured.

    Args:
        folder: Path.
        weights: hash of the network's weights; a run that was trained on has others.
    """
    path = folder / RECORDS
    return list(_latest(r for r in read_results(path) if r.weights_hash == weights).values())


def hardness_rows(results):
    """Returns the rows of the table with `HEADER`, one per sampler, all str."""
    found, paper = _latest(results), published_rows.sampler_rows()
    return [_cells(row, *_of_sampler(found, row)) for row in paper]


def beside(row, results):
    """Returns a published row beside the latest results, as text.

    Args:
        row: row of `published_rows.sampler_rows`.
        results: list of `Result`.
    """
    mean, variance, of_triplets = _of_sampler(_latest(results), row)
    lines = [
        _difference(row, "E[H]", mean, 3),
        _difference(row, "Var[H]", variance, 5),
        ("variance of triplets", "-", f"{of_triplets.value:.5f}", "-"),
    ]
    table = aligned(("column", "paper", "ours", "difference"), lines)
    return f"{row.name}: {_statement(mean)}\n{table}"


def hardness_table(results):
    """Returns the table as aligned text."""
    return aligned(HEADER, hardness_rows(results))


def _latest(results):
    """(sampler, metric) -> the latest `Result`."""
    return {(r.attack_settings["sampler"], r.metric): r for r in results}


def _of_sampler(latest, row):
    sampler = row.name.partition("/")[2]
    return [latest[sampler, metric] for metric in (MEAN, OF_MEANS, OF_TRIPLETS)]


def _cells(row, mean, variance, of_triplets):
    return (
        mean.attack_settings["sampler"],
        f"{mean.n:,}",
        f"{row.values['E[H]']:.3f}",
        f"{mean.value:.3f}",
        f"{row.values['Var[H]']:.5f}",
        f"{variance.value:.5f}",
        f"{of_triplets.value:.5f}",
    )


def _difference(row, column, result, digits):
    paper, ours = row.values[column], result.value
    return column, f"{paper:.{digits}f}", f"{ours:.{digits}f}", f"{ours - paper:+.{digits}f}"


def _statement(result):
    """Whether a record was measured as the paper's table 1, in words."""
    differing = [
        f"{name} {ours}, not {paper}"
        for name, ours, paper in (
            ("data set", result.dataset, "cub200"),
            ("network", result.model, "resnet18"),
            ("batches", result.attack_settings["batches"], PAPER_BATCHES),
        )
        if ours != paper
    ]
    if result.method == "untrained, none":
        differing.append("random weights, not those of ImageNet")
    return f"not comparable: {'; '.join(differing)}" if differing else "comparable"
