"""GTM, greedy top-1 misranking (HM, section 4)."""

import tensorflow as tf

from hm_tf.ranking_attacks.neighbours import nearest
from hm_tf.ranking_attacks.own_item import own_item
from hm_tf.ranking_attacks.ranking_attack import RankingAttack
from robust_tf.distances import shifted_euclidean


class GreedyTop1Misranking(RankingAttack):
    """J = d(q~, u), where u is the nearest item of another class.

    In the authors' code "another class" means another class than the top-1 item's. The place of u
    in the list of the items of other classes is taken for its index in the gallery. Their distance
    is the shifted one.

    Chosen: u and the item that the query may not find, int32 [b] each. Measured: R@1.
    """

    name = "GTM"
    ends_at_zero = True

    def select(self, gallery, rows, key):
        queries = gallery.vectors(rows)
        own = own_item(gallery, rows, self.mode)
        labelled = rows
        if self.mode == "compat":
            labelled, _ = nearest(gallery, queries, own[:, None])
        labels = gallery.labels_of(labelled)[:, None]
        target, _ = nearest(gallery, queries, own[:, None], lambda block: block.labels != labels)
        if self.mode == "compat":
            target = _place_among_others(gallery, target, labels)
        return target, own

    def cost(self, gallery, rows, chosen):
        if self.mode == "fixed":
            return lambda adversarial: gallery.distance(adversarial, chosen[0])
        return lambda adversarial: shifted_euclidean(adversarial, gallery.vectors(chosen[0]))


def _place_among_others(gallery, target, labels):
    """The place of `target` [b] in the ascending list of all items without `labels` [b, 1]."""
    items = tf.range(gallery.size)
    skipped = (gallery.labels_of(items) == labels) & (items < target[:, None])
    return target - tf.reduce_sum(tf.cast(skipped, tf.int32), axis=1)
