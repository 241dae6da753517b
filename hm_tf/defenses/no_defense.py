"""Regular training, the undefended model of the tables: N/A[sampler]."""

from hm_tf.defenses.metric_defense import MetricDefense, members


class NoDefense(MetricDefense):
    """mean_k L_T(a_k, p_k, n_k) on clean images, mined in the embeddings that are trained."""

    def loss_terms(self, batch, crafted):
        embeddings = self.embed(batch["image"], training=True)
        triplets = self.mine(batch, embeddings)
        return self.triplet_terms(triplets, *members(embeddings, triplets))
