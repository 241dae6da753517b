"""EST, the embedding-shifted triplet (Zhou et al. 2020; HM, eq. 9)."""

import tensorflow as tf

from hm_tf.defenses.metric_defense import MetricDefense, members
from hm_tf.defenses.objectives import ShiftObjective
from robust_tf import randomness
from robust_tf.training.replicas import current_shard

JITTER = 1e-7


class EmbeddingShiftedTriplet(MetricDefense):
    """mean_k L_T(a~_k, p~_k, n~_k), all images moved as far as the attack can move them.

    The triplets are mined in the embeddings of the moved images. Before the attack a clean forward
    in training mode moves the averages of batch norm, where they are live (the authors' code).
    """

    def craft(self, batch):
        self.embed(batch["image"], training=True)
        return {"adversarial": self.shift(batch)}

    def loss_terms(self, batch, crafted):
        embeddings = self.embed(crafted["adversarial"], training=True)
        triplets = self.mine(batch, embeddings)
        return self.triplet_terms(triplets, *members(embeddings, triplets))

    def shift(self, batch):
        """r* = argmax d(phi(X + r), phi(X)) for each image of the batch; returns X + r*."""
        target = self.embed(batch["image"])
        noise = randomness.uniform(target.shape, self.key(batch, "jitter"), current_shard())
        jitter = JITTER * tf.cast(tf.floor(3.0 * noise) - 1.0, target.dtype)
        objective = ShiftObjective(self.embed, batch["image"], target, jitter)
        return self.attack.ascend(objective, batch["image"])
