"""AT, adversarial training (Madry et al. 2018)."""

from typing import Any

import keras

from robust_tf.losses.cross_entropy import cross_entropy
from tla_tf.defenses.classifier_defense import ClassifierDefense, correct


@keras.saving.register_keras_serializable("tla_tf")
class AdversarialTraining(ClassifierDefense):
    """mean_i CE(f(x'_i), y_i) on adversarial images only.

    `ClassifierDefense` describes the arguments.
    """

    def __init__(self, network: keras.Model, **kw: Any) -> None:
        super().__init__(
            network, term_weights={"cross_entropy": 1.0}, monitors=("robust_accuracy",), **kw
        )

    def craft(self, batch):
        if "shares" not in batch:
            return {"adversarial": self.perturb(batch)}
        loss = lambda outputs: self._loss(outputs["logits"], batch)
        return {"adversarial": self.perturb(batch, loss)}

    def _loss(self, logits, batch):
        """With CutMix an image has shares of two classes."""
        labels = batch.get("shares", batch["label"])
        return cross_entropy(logits, labels, self.label_smoothing)

    def loss_terms(self, batch, crafted):
        logits = self.network(crafted["adversarial"], training=True)["logits"]
        loss = self._loss(logits, batch)
        return {"cross_entropy": loss}, {"robust_accuracy": correct(logits, batch["label"])}
