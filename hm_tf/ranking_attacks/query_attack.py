"""QA+ and QA-: a query moves until one candidate ranks high or low (Zhou et al. 2020)."""

import tensorflow as tf

from hm_tf.ranking_attacks.mean_hinge import mean_hinge
from hm_tf.ranking_attacks.neighbours import count_nearer
from hm_tf.ranking_attacks.random_items import SignedAttack


class QueryAttack(SignedAttack):
    """J = mean_j [+-(d(q~, c) - d(q~, x_j))]_+ for a query q and one candidate c (m = 1).

    Chosen: the candidate, int32 [b]. Measured: its zero-based rank in the list of q~, of which the
    clean copy of q is part, divided by the size of the gallery.
    """

    def cost(self, gallery, rows, chosen):
        return ranking_cost(gallery, rows, chosen[0], self.sign)

    def measure(self, adversarial, gallery, rows, chosen, earlier=None):
        (candidate,) = chosen
        distance = gallery.distance(adversarial, candidate)
        nearer = count_nearer(gallery, adversarial, tf.stack([rows, candidate], axis=1), distance)
        clean_is_nearer = (rows != candidate) & (gallery.distance(adversarial, rows) < distance)
        rank = nearer + tf.cast(clean_is_nearer, tf.int32)
        return (tf.cast(rank, adversarial.dtype) / gallery.size,)


class QueryUp(QueryAttack):
    """QA+: a candidate drawn from the whole gallery comes to the front."""

    name = "QA+"
    sign = 1.0


class QueryDown(QueryAttack):
    """QA-: a candidate drawn from the nearest 1 % of the gallery goes to the back."""

    name = "QA-"
    sign = -1.0


def ranking_cost(gallery, rows, candidate, sign):
    """Returns the function from embeddings q~ [b, d] to mean_j [sign (d(q~,c) - d(q~,x_j))]_+.

    The clean copy of the query, at distance 0 at first, is computed exactly; the candidate itself
    adds nothing.
    """
    apart = tf.stack([rows, candidate], axis=1)

    def cost_of(adversarial):
        limit = gallery.distance(adversarial, candidate)
        clean = tf.nn.relu(sign * (limit - gallery.distance(adversarial, rows))) / gallery.size
        # Where the query is its own candidate, both differ by nothing but rounding.
        clean = tf.where(rows == candidate, tf.zeros_like(clean), clean)
        return clean + mean_hinge(gallery, adversarial, limit, apart, sign)

    return cost_of
