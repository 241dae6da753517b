"""EST, the embedding-shifted triplet (Zhou et al. 2020; HM, eq. 9)."""

import keras

from hm_tf.defenses.metric_defense import MetricDefense, members


@keras.saving.register_keras_serializable("hm_tf")
class EmbeddingShiftedTriplet(MetricDefense):
    """mean_k L_T(a~_k, p~_k, n~_k), all images as far as the attack can shift them.

    The triplets are mined in the adversarial embeddings. Before the attack a clean forward
    in training mode moves the averages of batch norm, where they are live (the authors' code).

    `MetricDefense` describes the arguments.
    """

    def craft(self, batch):
        self.embed(batch["image"], training=True)
        return {"adversarial": self.shift(batch)}

    def loss_terms(self, batch, crafted):
        embeddings = self.embed(crafted["adversarial"], training=True)
        triplets = self.mine(batch, embeddings)
        return self.triplet_terms(batch, triplets, *members(embeddings, triplets))
