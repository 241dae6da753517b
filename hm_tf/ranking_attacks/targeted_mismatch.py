"""TMA, the targeted mismatch attack (Tolias et al. 2019)."""

import tensorflow as tf

from hm_tf.ranking_attacks.random_items import any_item
from hm_tf.ranking_attacks.ranking_attack import RankingAttack


class TargetedMismatch(RankingAttack):
    """J = 1 - cos(q~, x_t) for an item t drawn from the whole gallery.

    Chosen: t, int32 [b]. Measured: the cosine.
    """

    name = "TMA"
    measures = ("cosine",)

    def select(self, gallery, rows, key):
        return (any_item(gallery, rows, key),)

    def cost(self, gallery, rows, chosen):
        return lambda adversarial: 1.0 - _cosine(adversarial, gallery, chosen)

    def measure(self, adversarial, gallery, rows, chosen, earlier=None):
        return (_cosine(adversarial, gallery, chosen),)


def _cosine(adversarial, gallery, chosen):
    return tf.reduce_sum(adversarial * gallery.vectors(chosen[0]), axis=1)
