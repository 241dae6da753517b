"""UM, the undefended model: standard training."""

from typing import Any

import keras

from robust_tf.losses.cross_entropy import cross_entropy
from tla_tf.defenses.classifier_defense import ClassifierDefense, correct


@keras.saving.register_keras_serializable("tla_tf")
class Undefended(ClassifierDefense):
    """mean_i CE(f(x_i), y_i) on clean images.

    `ClassifierDefense` describes the arguments. An eps or an attack is used in validation alone.
    """

    attacked = False

    def __init__(self, network: keras.Model, **kw: Any) -> None:
        super().__init__(network, term_weights={"cross_entropy": 1.0}, monitors=("accuracy",), **kw)

    def loss_terms(self, batch, crafted):
        logits = self.network(batch["image"], training=True)["logits"]
        loss = cross_entropy(logits, self.targets(batch), self.label_smoothing)
        return {"cross_entropy": loss}, {"accuracy": correct(logits, batch["label"])}
