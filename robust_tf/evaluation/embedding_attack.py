"""An attack on what TLA trains: the angles between embeddings (adaptive, Tramer et al. 2020)."""

import tensorflow as tf

from robust_tf.attacks.objectives import Objective
from robust_tf.distances import angular, angular_matrix


class EmbeddingAttack:
    """PGD that pulls an image's embedding away from its own and towards the nearest other class's.

    Args:
        pgd: a PGD.
        embedding_fn: images to embeddings [batch, d].
    """

    def __init__(self, pgd, embedding_fn):
        self.pgd = pgd
        self.threat_model = pgd.threat_model
        self.embedding_fn = embedding_fn

    def __call__(self, logits_fn, x, y, *, key):
        """Attacks `x`, float [batch, ...]; other classes are those in the batch, y int [batch]."""
        return self.pgd.run(_Triplet(self.embedding_fn, x, y), x, key=key)


class _Triplet(Objective):
    """d(own) - d(nearest of another class), the violated TLA triplet (Mao et al. 2019, eq. 2)."""

    def __init__(self, embedding_fn, x, y):
        self.embedding_fn = embedding_fn
        self.own = tf.stop_gradient(embedding_fn(x))
        distances = angular_matrix(self.own, self.own)
        same = tf.equal(y[:, None], y[None, :])
        distances = tf.where(same, tf.constant(float("inf"), distances.dtype), distances)
        self.other = tf.gather(self.own, tf.argmin(distances, axis=1))

    def __call__(self, x):
        embedding = self.embedding_fn(x)
        return angular(embedding, self.own) - angular(embedding, self.other)
