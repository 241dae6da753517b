"""The search for triplets of TLA by itself, as a row."""

import tensorflow as tf

from benchmarks.passes import waiting
from robust_tf import randomness
from tla_tf.defenses.positives import in_batch_positive


def mining(model, batch, xla=False):
    """Returns the call that embeds the candidates and selects positives and negatives.

    Args:
        model: `TripletAdversarial` of its own: its attack is taken away.
        batch: of its pipeline.
        xla: whether it is compiled with XLA.
    """
    model.perturb = lambda batch: batch["image"]
    body = model.craft if model.pool == "separate" else lambda batch: _in_batch(model, batch)
    return waiting(tf.function(body, jit_compile=xla, autograph=False), batch)


def _in_batch(model, batch):
    labels, slots = batch["label"], tf.range(batch["label"].shape[0])
    embeddings = model.network(batch["image"], training=True)["embedding"]
    size = [labels.shape[0], labels.shape[0]]
    noise = randomness.uniform(size, randomness.key(0, 0, "benchmark"))
    negatives = model.negatives(embeddings, labels, embeddings, labels, noise=noise, own_slot=slots)
    return negatives, in_batch_positive(labels, labels, slots, noise)
