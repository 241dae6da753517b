"""The clean embeddings of a set of images, and its retrieval metrics as records."""

import numpy as np

from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.evaluation.retrieval import clustering_nmi
from robust_tf.models.output_of import output_of
from robust_tf.progress_bar import SOON, ProgressBar
from robust_tf.results.result import measured_mean, measured_share, measured_value

# K-means from other first centres moves NMI by 0.7 to 2.3 points.
NMI_SEEDS = 5


def embedding_of_batch(network, *, xla=False):
    """Returns the compiled function from images [B, h, w, c] to embeddings [B, d].

    Args:
        network: Network with the output "embedding".
        xla: Whether XLA compiles the function.
    """
    return CompiledBatch(output_of(network, "embedding"), jit_compile=xla, title="the network")


def embed(of_batch, examples, batch_size, title=None, *, progress=True):
    """Returns the embeddings of all images, float32 [n, d], in order.

    Args:
        of_batch: function from `embedding_of_batch`.
        examples: `Examples`.
        batch_size: Images embedded together.
        title: Title of the progress bar; None: there is one where it takes long.
        progress: Whether there may be a progress bar.

    Raises:
        RunError: The embeddings are not finite.
    """

    def outputs(images, rows, keys):
        return {"embedding": of_batch(images)}

    [found] = attack_loop(
        outputs,
        examples,
        eager=True,
        title=title or "embeddings",
        batch_size=batch_size,
        progress=progress,
        delay=0 if title else SOON,
    )
    return found["embedding"].astype(np.float32)


def clean_values(test_set):
    """Returns R@1, R@2, mAP, MAP@R and MAP@10 of each query, dict metric -> float [queries].

    Args:
        test_set: `EmbeddedTestSet`.
    """
    found = test_set.retrieval
    return {
        "R@1": found.recall_at(1),
        "R@2": found.recall_at(2),
        "mAP": found.average_precision,
        "MAP@R": found.map_at_r,
        "MAP@10": found.map_at_10,
    }


def clean_results(test_set, about, cache, *, progress=True):
    """Returns the means of `clean_values`, and NMI of the clean images, a list of `Result`.

    NMI is the mean over `NMI_SEEDS` k-means clusterings, with their standard deviation.

    Args:
        test_set: `EmbeddedTestSet`.
        about: dict of the fields of `Result` that all records of an evaluation share.
        cache: `ResultsCache` of `NMI_SEEDS` clusterings; what it has is not computed again.
        progress: whether to show a progress bar of the clusterings.
    """
    values = clean_values(test_set)
    results = [measured("clean", metric, of_each, about) for metric, of_each in values.items()]
    embedded, n = (test_set.embeddings, test_set.labels), len(values["R@1"])
    seeds = np.arange(NMI_SEEDS)
    missing = seeds[~cache.known(0, seeds)].tolist()
    silent = not progress or not missing
    with ProgressBar(len(missing), "NMI", unit="clustering", silent=silent) as bar:
        for seed in missing:
            cache.add(0, [seed], {"NMI": [clustering_nmi(*embedded, seed)]})
            bar.update(1)
    nmi = cache.get(0, seeds)["NMI"]
    spread = float(np.std(nmi, ddof=1))
    return [*results, measured_value(about, "NMI", float(np.mean(nmi)), n, spread=spread)]


def measured(attack, metric, values, about, *, settings=None, threat_model=None):
    """Returns the `Result` of the mean of `values`, with its 95 % interval.

    Args:
        attack, metric: as records name them.
        values: float [n], one per query.
        about: See `clean_results`.
        settings: dict of the attack's hyper-parameters; None for clean images.
        threat_model: `ThreatModel`; None for clean images.
    """
    attacked = {"attack": attack, "settings": settings, "threat_model": threat_model}
    if metric.startswith("R@") or metric == "top-4":
        return measured_share(about, metric, values, **attacked)
    return measured_mean(about, metric, values, **attacked)
