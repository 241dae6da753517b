"""TRADES (Zhang et al. 2019), a baseline."""

from typing import Any

import keras
import tensorflow as tf

from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.losses.kl_divergence import kl_divergence
from robust_tf.settings import number
from tla_tf.defenses.classifier_defense import ClassifierDefense, correct


@keras.saving.register_keras_serializable("tla_tf")
class Trades(ClassifierDefense):
    """CE(f(x_i), y_i) + beta * KL(f(x_i) || f(x'_i)), averaged over i (equation 5).

    The inner attack ascends the KL divergence. It starts where `attack` starts. The authors' code
    starts at 0.001 of normal noise, since the gradient is 0 at x itself.

    Args:
        beta: weight of the divergence, 1 / lambda in the paper.

    `ClassifierDefense` describes the further arguments.
    """

    def __init__(self, network: keras.Model, *, beta: float = 6.0, **kw: Any) -> None:
        beta = number("beta", beta)
        weights = {"clean_cross_entropy": 1.0, "divergence": beta}
        super().__init__(network, term_weights=weights, monitors=("robust_accuracy",), **kw)
        self.beta = beta

    def craft(self, batch):
        clean = tf.stop_gradient(self.network(batch["image"], training=False)["logits"])
        loss = lambda outputs: kl_divergence(clean, outputs["logits"])
        return {"adversarial": self.perturb(batch, loss)}

    def loss_terms(self, batch, crafted):
        clean = self.network(batch["image"], training=True)["logits"]
        adversarial = self.network(crafted["adversarial"], training=True)["logits"]
        terms = {
            "clean_cross_entropy": cross_entropy(clean, self.targets(batch), self.label_smoothing),
            "divergence": kl_divergence(clean, adversarial),
        }
        return terms, {"robust_accuracy": correct(adversarial, batch["label"])}
