"""Min-max training of the triplet loss (HM, eq. 13); known to collapse."""

import keras
import tensorflow as tf

from hm_tf.defenses.metric_defense import MetricDefense, members
from hm_tf.defenses.objectives import MinMaxObjective


@keras.saving.register_keras_serializable("hm_tf")
class MinMax(MetricDefense):
    """mean_k max_r L_T(a~_k, p~_k, n~_k): every triplet is made as hard as the attack can.

    `MetricDefense` describes the arguments.
    """

    def craft(self, batch):
        triplets = self.mine(batch, self.embed(batch["image"]))
        stacked = tf.concat(members(batch["image"], triplets), axis=0)
        objective = MinMaxObjective(self.embed, triplets.valid, self.distance_fn)
        return {"triplets": triplets, "images": self.ascend(batch, objective, stacked)}
