"""Table 1 of HM as records and as text."""

from hm_tf.reporting.sampler_hardness import PUBLISHED
from robust_tf.reports.table import aligned
from robust_tf.results.result import measured_value, read_results, weights_hash

RECORDS = "sampler_hardness.jsonl"
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


def hardness_results(found, network, *, batches, seed, dataset, method, training_seed):
    """Returns the list of `Result`, three per sampler.

    Args:
        found: what `sampler_hardness` returns.
        network: whose embeddings these are.
        batches: int, how many there were.
        seed: Seed of batches and draws.
        dataset, method, training_seed: See `Result`.
    """
    about = {
        "dataset": dataset,
        "split": "train",
        "method": method,
        "training_seed": training_seed,
        "model": network.name,
        "precision": "float32",
        "seed": seed,
        "weights_hash": weights_hash(network),
    }
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
    own = [result for result in read_results(path) if result.weights_hash == weights]
    latest = {(r.attack_settings["sampler"], r.metric): r for r in own}
    return list(latest.values())


def hardness_rows(results):
    """Returns the rows of the table with `HEADER`, one per sampler, all str."""
    values = {(r.attack_settings["sampler"], r.metric): r for r in results}
    return [
        (
            name,
            f"{values[name, MEAN].n:,}",
            f"{mean:.3f}",
            f"{values[name, MEAN].value:.3f}",
            f"{variance:.5f}",
            *(f"{values[name, metric].value:.5f}" for metric in (OF_MEANS, OF_TRIPLETS)),
        )
        for name, (mean, variance) in PUBLISHED.items()
    ]


def hardness_table(results):
    """Returns the table as aligned text."""
    return aligned(HEADER, hardness_rows(results))
