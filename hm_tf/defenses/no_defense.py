"""Regular training, the undefended model of the tables: N/A[sampler]."""

import keras

from hm_tf.defenses.metric_defense import MetricDefense, members


@keras.saving.register_keras_serializable("hm_tf")
class NoDefense(MetricDefense):
    """mean_k L_T(a_k, p_k, n_k) on clean images, mined in the embeddings that are trained.

    `MetricDefense` describes the arguments. An eps or an attack is used in validation alone.
    """

    attacked = False

    def loss_terms(self, batch, crafted):
        embeddings = self.embed(batch["image"], training=True)
        triplets = self.mine(batch, embeddings)
        return self.triplet_terms(batch, triplets, *members(embeddings, triplets))
