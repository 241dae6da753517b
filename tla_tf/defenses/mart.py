"""MART, misclassification aware adversarial training (Wang et al. 2020), a baseline."""

from typing import Any

import keras
import tensorflow as tf

from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.losses.kl_divergence import kl_divergence
from robust_tf.settings import number
from tla_tf.defenses.classifier_defense import ClassifierDefense, correct

# Added to 1 - p, so that the logarithm stays finite, as in the authors' code.
ROOM = 1e-4


def boosted_cross_entropy(logits, labels, label_smoothing=0.0):
    """-log p_y - log(1 - max of the other p_k), float [batch] (equation 8).

    Args:
        logits: float [batch, classes].
        labels: int [batch].
        label_smoothing: label smoothing of the first term.
    """
    probabilities = tf.nn.softmax(logits)
    others = probabilities * (1.0 - tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype))
    margin = -tf.math.log(1.0 + ROOM - tf.reduce_max(others, axis=1))
    return cross_entropy(logits, labels, label_smoothing) + margin


@keras.saving.register_keras_serializable("tla_tf")
class Mart(ClassifierDefense):
    """BCE(f(x'_i), y_i) + beta * KL(f(x_i) || f(x'_i)) * (1 - f_y(x_i)), averaged over i.

    Equation 11. The inner attack ascends the cross entropy.

    Args:
        beta: weight of the divergence, lambda in the paper.

    `ClassifierDefense` describes the further arguments.
    """

    def __init__(self, network: keras.Model, *, beta: float = 6.0, **kw: Any) -> None:
        beta = number("beta", beta)
        weights = {"boosted_cross_entropy": 1.0, "divergence": beta}
        super().__init__(network, term_weights=weights, monitors=("robust_accuracy",), **kw)
        self.beta = beta

    def craft(self, batch):
        return {"adversarial": self.perturb(batch)}

    def loss_terms(self, batch, crafted):
        labels = batch["label"]
        clean = self.network(batch["image"], training=True)["logits"]
        adversarial = self.network(crafted["adversarial"], training=True)["logits"]
        true = tf.exp(-cross_entropy(clean, labels))
        boosted = boosted_cross_entropy(adversarial, labels, self.label_smoothing)
        terms = {
            "boosted_cross_entropy": boosted,
            "divergence": kl_divergence(clean, adversarial) * (1.0 - true),
        }
        return terms, {"robust_accuracy": correct(adversarial, labels)}
