"""CA+ and CA-: an image moves up or down in the ranking of one query (Zhou et al. 2020)."""

import tensorflow as tf

from hm_tf.ranking_attacks.neighbours import count_nearer
from hm_tf.ranking_attacks.random_items import SignedAttack


class CandidateAttack(SignedAttack):
    """J = mean_j [+-(d(c~, q) - d(x_j, q))]_+ for a candidate c and one query q (w = 1).

    Chosen: the query, int32 [b]. Measured: the share of the gallery nearer to it than c~.
    Memory of `cost`: up to 8 floats for each image of the batch and item of the gallery.
    """

    def cost(self, gallery, rows, chosen):
        (query,) = chosen
        others = _distances(gallery, rows, query)

        def cost_of(adversarial):
            own = gallery.distance(adversarial, query)[:, None]
            return tf.reduce_mean(tf.nn.relu(self.sign * (own - others)), axis=1)

        return cost_of

    def measure(self, adversarial, gallery, rows, chosen, earlier=None):
        (query,) = chosen
        vectors = gallery.vectors(query)
        distance = gallery.distance(adversarial, query)
        nearer = count_nearer(gallery, vectors, tf.stack([rows, query], axis=1), distance)
        clean_is_nearer = gallery.distance(vectors, rows) < distance
        query_is_nearer = (query != rows) & (0.0 < distance)
        nearer += tf.cast(clean_is_nearer, tf.int32) + tf.cast(query_is_nearer, tf.int32)
        return (tf.cast(nearer, adversarial.dtype) / gallery.size,)


class CandidateUp(CandidateAttack):
    """CA+: towards a query drawn from the whole gallery."""

    name = "CA+"
    sign = 1.0


class CandidateDown(CandidateAttack):
    """CA-: away from a query drawn from the nearest 1 % of the gallery."""

    name = "CA-"
    sign = -1.0


def _distances(gallery, rows, query):
    """d(x_j, q), float [b, n]; exact to the candidate's clean image and to the query itself."""
    items = tf.range(gallery.size)
    distances = gallery.distances(query)
    clean = gallery.distance(gallery.vectors(query), rows)[:, None]
    distances = tf.where(items == rows[:, None], clean, distances)
    return tf.where(items == query[:, None], tf.zeros_like(distances), distances)
