"""A ranking attack on one batch, compiled once."""

from typing import Any, NamedTuple

import tensorflow as tf

from hm_tf.ranking_attacks.gallery import Gallery
from robust_tf.evaluation.traced_once import traced_once


class Ranker(NamedTuple):
    """A network with its own embeddings of the gallery.

    Attributes:
        network: output "embedding".
        gallery: `Gallery`.
    """

    network: Any
    gallery: Gallery

    @classmethod
    def of(cls, network, test_set):
        """Of an `EmbeddedTestSet` that `network` embedded."""
        return cls(network, Gallery(test_set.embeddings, test_set.labels))

    def embed(self, images):
        """Returns the embeddings [b, d] of images [b, h, w, c], in inference mode."""
        return self.network(images, training=False)["embedding"]


def compile_ranking_attack(attack, search, choice_key, ranker, source=None, *, xla=False):
    """Returns the compiled function of one run on one batch.

    What the attack aims at is chosen in the gallery of `ranker`: the goal is that of the white box.
    The images are made on the network of `source` and against its gallery.

    Args:
        attack: `RankingAttack`.
        search: `PGDSearch` or `StrongSearch`.
        choice_key: int32 [2], of the items that the attack draws.
        ranker: `Ranker` that is evaluated.
        source: `Ranker`; None means `ranker`.
        xla: whether XLA compiles it.

    Returns:
        (images [b, h, w, c], rows int32 [b], key int32 [2]) -> (float [b, 1 + measures]: the value
        of the objective that was ascended, and what `RankingAttack.measure` says; bool [b]: whether
        the images are in ball and box).
    """
    source = source or ranker

    select = traced_once(lambda rows: attack.select(ranker.gallery, rows, choice_key))

    def attack_batch(images, rows, key, *chosen):
        objective = attack.objective(source.embed, images, source.gallery, rows, chosen)
        moved, earlier = search(objective, images, key)
        early = None if earlier is None else ranker.embed(earlier)
        measures = attack.measure(ranker.embed(moved), ranker.gallery, rows, chosen, earlier=early)
        values = tf.stack([tf.cast(objective(moved), tf.float32), *measures], axis=1)
        return values, search.threat_model.contains(moved, images)

    compiled = traced_once(attack_batch, jit_compile=xla)
    # Chosen outside: XLA draws other numbers, and the goals of a query must not depend on it.
    return lambda images, rows, key: compiled(images, rows, key, *select(rows))
