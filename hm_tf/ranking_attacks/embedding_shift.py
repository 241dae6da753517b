"""ES, the embedding shift attack: as far from the clean embedding as possible."""

import tensorflow as tf

from hm_tf.defenses.objectives import ShiftObjective
from hm_tf.ranking_attacks.own_item import recall_at_one
from hm_tf.ranking_attacks.ranking_attack import RankingAttack
from robust_tf.distances import shifted_euclidean

# At the first step the target differs from the embedding by this (HM, authors' code).
FIRST_SHIFT = 1e-7


class EmbeddingShift(RankingAttack):
    """J = -d(q~, q).

    Chosen: the item that the query may not find, int32 [b]. Measured: ES:D, the distance, and ES:R,
    R@1. The authors' code takes the distance from the last forward pass inside the attack, one
    step too early, but R@1 from the final image.
    """

    name = "ES"
    measures = ("distance", "R@1")

    @property
    def measures_early(self):
        return self.mode == "compat"

    def cost(self, gallery, rows, chosen):
        return lambda adversarial: -shifted_euclidean(adversarial, gallery.vectors(rows))

    def objective(self, embed_fn, images, gallery, rows, chosen):
        # The target is not the gallery's copy: an embedding of another batch differs by as much as
        # the constants that decide the first step.
        target = tf.stop_gradient(embed_fn(images))
        return ShiftObjective(embed_fn, images, target, FIRST_SHIFT)

    def measure(self, adversarial, gallery, rows, chosen, earlier=None):
        early = self.measures_early and earlier is not None
        distance = gallery.distance(earlier if early else adversarial, rows)
        return distance, recall_at_one(adversarial, gallery, rows, chosen[0])
