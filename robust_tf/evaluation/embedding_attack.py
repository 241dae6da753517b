"""An attack on what TLA trains: the angles between embeddings (adaptive, Tramer et al. 2020)."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from robust_tf.attacks.objectives import Objective
from robust_tf.attacks.pgd import PGD
from robust_tf.distances import angular, angular_matrix


@dataclasses.dataclass(frozen=True)
class EmbeddingAttack:
    """PGD that pulls an image's embedding from its clean place to the nearest other class.

    Args:
        pgd: `PGD`.
        embedding_fn: images to embeddings [batch, d].
    """

    pgd: PGD
    embedding_fn: Callable = dataclasses.field(repr=False)

    @property
    def threat_model(self):
        return self.pgd.threat_model

    def perturb(self, logits_fn, x, y, key):
        """Attacks `x`, float [batch, ...]; other classes are those in the batch, y int [batch]."""
        return self.pgd.ascend(_Triplet(self.embedding_fn, x, y), x, key=key)


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
