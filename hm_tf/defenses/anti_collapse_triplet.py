"""ACT, the anti-collapse triplet (Zhou et al. 2021; HM, eqs. 10-12)."""

import keras
import tensorflow as tf

from hm_tf.defenses.metric_defense import MetricDefense, members
from hm_tf.defenses.objectives import CollapseObjective


@keras.saving.register_keras_serializable("hm_tf")
class AntiCollapseTriplet(MetricDefense):
    """mean_k L_T(a_k, p~_k, n~_k), positive and negative drawn together by the attack.

    `MetricDefense` describes the arguments.
    """

    def craft(self, batch):
        triplets = self.mine(batch, self.embed(batch["image"]))
        anchor, *pair = members(batch["image"], triplets)
        objective = CollapseObjective(self.embed, triplets.valid, self.distance_fn)
        collapsed = self.ascend(batch, objective, tf.concat(pair, axis=0))
        return {"triplets": triplets, "images": tf.concat([anchor, collapsed], axis=0)}
