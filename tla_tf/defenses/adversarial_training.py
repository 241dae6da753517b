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
        return {"adversarial": self.perturb(batch)}

    def loss_terms(self, batch, crafted):
        logits = self.network(crafted["adversarial"], training=True)["logits"]
        loss = cross_entropy(logits, self.targets(batch), self.label_smoothing)
        return {"cross_entropy": loss}, {"robust_accuracy": correct(logits, batch["label"])}
