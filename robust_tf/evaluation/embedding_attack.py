"""An attack on what TLA trains: the angles between embeddings (adaptive, Tramer et al. 2020)."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from robust_tf.attacks.attack_images import attack_images
from robust_tf.attacks.objective import NetworkObjective
from robust_tf.attacks.pgd import PGD
from robust_tf.distances import angular, angular_matrix


@dataclasses.dataclass(frozen=True, eq=False)
class EmbeddingAttack:
    """PGD that pulls an image's embedding from its clean place to the nearest other class.

    Args:
        pgd: `PGD`.
        embedding_fn: images to embeddings [batch, d].
        labels: int [n], classes of the gallery.
        gallery: float [n, d], clean embeddings; the nearest of another class is the target.
    """

    pgd: PGD
    embedding_fn: Callable = dataclasses.field(repr=False)
    labels: tf.Tensor = dataclasses.field(repr=False)
    gallery: tf.Tensor

    __call__ = attack_images

    @property
    def threat_model(self):
        return self.pgd.threat_model

    def perturb(self, logits_fn, x, y, key):
        """Attacks `x`, float [batch, ...], of the classes `y`, int [batch]."""
        own = tf.stop_gradient(self.embedding_fn(x))
        distances = angular_matrix(own, self.gallery)
        same = tf.equal(tf.cast(y, tf.int32)[:, None], tf.cast(self.labels, tf.int32)[None, :])
        distances = tf.where(same, tf.constant(float("inf"), distances.dtype), distances)
        other = tf.gather(self.gallery, tf.argmin(distances, axis=1))

        def violation(embedding):
            """d(own) - d(nearest of another class), of TLA's triplet (Mao et al. 2019, eq. 2)."""
            return angular(embedding, own) - angular(embedding, other)

        return self.pgd.ascend(NetworkObjective(self.embedding_fn, violation), x, key=key)
