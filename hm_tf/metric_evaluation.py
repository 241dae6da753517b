"""Retrieval of a trained embedding network on the test classes, clean and under the ES attack."""

import dataclasses

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hm_tf.objectives import ShiftObjective
from robust_tf.data import pipeline
from robust_tf.evaluation.records import (
    Result,
    append_results,
    versions,
    weights_hash,
    wilson_interval,
)
from robust_tf.evaluation.retrieval import clustering_nmi, retrieve

# (attack, metric), in the order of the paper's tables.
METRICS = (
    *(("clean", name) for name in ("R@1", "R@2", "mAP", "MAP@R", "NMI")),
    ("ES", "R@1"),
)
# At the first step of ES the target differs from the embedding by this (HM, authors' code).
FIRST_SHIFT = 1e-7


def embedding_of_batch(network, attack=None, *, xla=False):
    """Returns the compiled function from images [B, h, w, c] to embeddings [B, d].

    Args:
        network: output "embedding".
        attack: `PGD` that moves each embedding as far as it can (ES), or None.
        xla: whether the function is compiled with XLA.
    """

    def phi(images):
        return network(images, training=False)["embedding"]

    @tf.function(jit_compile=xla)
    def of_batch(images):
        if attack is None:
            return phi(images)
        objective = ShiftObjective(phi, images, phi(images), FIRST_SHIFT)
        return phi(attack(objective, images))

    return of_batch


def embed(of_batch, examples, batch_size, title=None):
    """Returns the embeddings of all images, float32 [n, d], in order.

    Args:
        of_batch: see `embedding_of_batch`.
        examples: `Examples`.
        batch_size: images together; the last batch is filled up, so that nothing is retraced.
        title: of the progress bar; None shows none.
    """
    rows = []
    with tqdm(total=len(examples), desc=title, unit="image", disable=title is None) as bar:
        for batch in pipeline.eval_batches(examples, batch_size):
            images = batch["image"]
            missing = batch_size - images.shape[0]
            filled = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])
            rows.append(of_batch(filled).numpy()[: images.shape[0]])
            bar.update(images.shape[0])
    return np.concatenate(rows).astype(np.float32)


def evaluate(network, examples, attack, path, *, batch_size, xla=False, **facts):
    """Measures `METRICS` and appends their records.

    Args:
        network, xla: as of `embedding_of_batch`.
        examples, batch_size: as of `embed`.
        attack: `PGD` of the ES attack.
        path: file of the records.
        **facts: dataset, method, training_seed and precision of the records.
    """
    of_batch, moved_of_batch = (embedding_of_batch(network, a, xla=xla) for a in (None, attack))
    gallery = embed(of_batch, examples, batch_size, "embeddings")
    moved = embed(moved_of_batch, examples, batch_size, "embeddings under ES")
    clean = retrieve(gallery, examples.labels)
    shifted = retrieve(gallery, examples.labels, queries=moved)
    values = {
        ("clean", "R@1"): clean.recall_at(1),
        ("clean", "R@2"): clean.recall_at(2),
        ("clean", "mAP"): clean.average_precision,
        ("clean", "MAP@R"): clean.map_at_r,
        ("clean", "NMI"): clustering_nmi(gallery, examples.labels),
        ("ES", "R@1"): shifted.recall_at(1),
    }
    settings = {"steps": attack.steps, "step_size": attack.step_size, "restarts": 1}
    results = []
    for name, metric in METRICS:
        value = values[name, metric]
        is_share = metric.startswith("R@")
        correct = int(np.sum(value)) if is_share else None
        attacked = name != "clean"
        results.append(
            Result(
                split="test",
                n=len(examples),
                model=network.name,
                attack=name,
                attack_settings=settings if attacked else {},
                threat_model=dataclasses.asdict(attack.threat_model) if attacked else {},
                metric=metric,
                value=float(np.mean(value)),
                correct=correct,
                interval=wilson_interval(correct, len(value)) if is_share else None,
                seed=0,
                weights_hash=weights_hash(network),
                versions=versions(),
                **facts,
            )
        )
    append_results(path, results)
    return results
