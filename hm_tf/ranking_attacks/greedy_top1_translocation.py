"""GTT, greedy top-1 translocation (HM, section 4)."""

import tensorflow as tf

from hm_tf.ranking_attacks.neighbours import count_nearer, nearest
from hm_tf.ranking_attacks.own_item import own_item
from hm_tf.ranking_attacks.query_attack import ranking_cost
from hm_tf.ranking_attacks.ranking_attack import RankingAttack

TOP = 4


class GreedyTop1Translocation(RankingAttack):
    """The cost of QA-, whose candidate c is the top-1 item of the clean query.

    Chosen: c and the item that the query may not find, int32 [b] each. Measured: whether c is still
    among the first 4; items exactly as far come before it.
    """

    name = "GTT"
    measures = ("top-4",)
    ends_at_zero = True

    def select(self, gallery, rows, key):
        own = own_item(gallery, rows, self.mode)
        return nearest(gallery, gallery.vectors(rows), own[:, None])[0], own

    def cost(self, gallery, rows, chosen):
        return ranking_cost(gallery, rows, chosen[0], sign=-1.0)

    def measure(self, adversarial, gallery, rows, chosen, earlier=None):
        distance = gallery.distance(adversarial, chosen[0])
        before = count_nearer(
            gallery, adversarial, tf.stack(chosen, axis=1), distance, or_equal=True
        )
        return (tf.cast(before < TOP, adversarial.dtype),)
