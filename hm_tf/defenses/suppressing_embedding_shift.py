"""SES, suppressing the embedding shift (Zhou et al. 2021)."""

from typing import Any

import keras

from hm_tf.defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet
from hm_tf.defenses.metric_defense import members
from robust_tf.distances import shifted_euclidean
from robust_tf.settings import number


@keras.saving.register_keras_serializable("hm_tf")
class SuppressingEmbeddingShift(EmbeddingShiftedTriplet):
    """mean_k L_T(a_k, p_k, n_k) + w * mean_i ||phi(X_i + r*_i) - phi(X_i)||, with EST's r*.

    Args:
        shift_weight: weight w of the shift, 1 in the authors' code.

    `MetricDefense` describes the further arguments.
    """

    def __init__(self, network: keras.Model, *, shift_weight: float = 1.0, **kw: Any) -> None:
        shift_weight = number("shift_weight", shift_weight)
        super().__init__(network, extra_weights={"shift": shift_weight}, **kw)
        self.shift_weight = shift_weight

    def craft(self, batch):
        return {"adversarial": self.shift(batch)}

    def loss_terms(self, batch, crafted):
        clean = self.embed(batch["image"], training=True)
        adversarial = self.embed(crafted["adversarial"], training=True)
        triplets = self.mine(batch, clean)
        terms, monitors = self.triplet_terms(batch, triplets, *members(clean, triplets))
        return {**terms, "shift": shifted_euclidean(adversarial, clean)}, monitors
