"""How hard the triplets of each sampler are (HM, table 1)."""

from typing import NamedTuple

import numpy as np

from hm_tf.defenses.metric_defense import members
from hm_tf.triplets import SYMBOLS
from hm_tf.triplets.triplet_sampler import TripletSampler
from robust_tf import randomness
from robust_tf.losses.triplet import hardness
from robust_tf.results.result import measured_value, shared_fields

MEAN = "mean hardness"
# The paper does not say of what its variance is. That of single triplets is far larger.
OF_MEANS = "variance of a batch's mean hardness"
OF_TRIPLETS = "variance of a triplet's hardness"


class Hardness(NamedTuple):
    """Statistics of one sampler.

    Attributes:
        mean: E[H] over all triplets.
        of_means: the variance, over batches, of the mean of a batch.
        of_triplets: the variance over the triplets of a batch, mean over batches.
        triplets: how many valid ones there were.
    """

    mean: float
    of_means: float
    of_triplets: float
    triplets: int


def sampler_hardness(batches, embed, *, margin, mode, seed):
    """Returns dict name of a sampler -> `Hardness`, all on the same batches.

    Args:
        batches: Batches of `pair_dataset`.
        embed: images [B, ...] to unit embeddings [B, d].
        margin: Margin of the semihard sampler.
        mode: Mode of `TripletSampler`.
        seed: Seed of the draws.
    """
    samplers = {name: TripletSampler(name, margin=margin, mode=mode) for name in SYMBOLS}
    found = {name: [] for name in SYMBOLS}
    for batch in batches:
        embeddings = embed(batch["image"])
        size = embeddings.shape[0]
        for name, sampler in samplers.items():
            key = randomness.key(seed, int(batch["step"][0]), f"table 1, {name}")
            noise = randomness.uniform([size // 2, size, 2], key, dtype=embeddings.dtype)
            triplets = sampler(embeddings, batch["label"], noise)
            values = hardness(*members(embeddings, triplets)).numpy()
            found[name].append(values[triplets.valid.numpy()])
    return {name: _statistics(values) for name, values in found.items()}


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


def _statistics(batches):
    values = [batch for batch in batches if len(batch)]
    return Hardness(
        mean=float(np.mean(np.concatenate(values))),
        of_means=float(np.var([batch.mean() for batch in values])),
        of_triplets=float(np.mean([batch.var() for batch in values])),
        triplets=sum(map(len, values)),
    )
