"""LTM, learning to mis-rank (Wang et al. 2020)."""

import tensorflow as tf

from hm_tf.ranking_attacks.neighbours import Search, find
from hm_tf.ranking_attacks.ranking_attack import RankingAttack


class LearningToMisrank(RankingAttack):
    """J = [max_{y_j != y} d(q~, x_j) - min_{y_j = y} d(q~, x_j)]_+.

    Pulls the farthest item of the other classes and pushes the nearest of the query's own. In the
    authors' code that class still contains the clean copy of the query.

    Chosen: the item that the query may not find, int32 [b]. Measured: R@1.
    """

    name = "LTM"
    ends_at_zero = True

    def cost(self, gallery, rows, chosen):
        labels = gallery.labels_of(rows)[:, None]
        others = Search(lambda block: block.labels != labels, farthest=True)
        same = Search(lambda block: block.labels == labels)

        def cost_of(adversarial):
            (wrong, _), (right, exists) = find(gallery, adversarial, rows[:, None], others, same)
            pushed = gallery.distance(adversarial, right)
            pushed = tf.where(exists, pushed, float("inf"))
            if self.mode == "compat":
                pushed = tf.minimum(pushed, gallery.distance(adversarial, rows))
            return tf.nn.relu(gallery.distance(adversarial, wrong) - pushed)

        return cost_of
