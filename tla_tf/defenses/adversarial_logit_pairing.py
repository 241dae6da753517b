"""ALP, adversarial logit pairing (Kannan et al. 2018), the baseline of the TLA paper."""

from typing import Any

import keras
import tensorflow as tf

from robust_tf.errors import require_known
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.settings import number
from robust_tf.training.adversarial_model import weighted_total
from tla_tf.defenses import require_allowed
from tla_tf.defenses.classifier_defense import ClassifierDefense, correct

ATTACK_OBJECTIVES = ("ce", "full")  # the others have a triplet term
REDUCTIONS = {"sum": tf.reduce_sum, "mean": tf.reduce_mean}


def pairing(clean, adversarial, reduce="sum"):
    """||z(x_i) - z(x'_i)||^2 summed over the coordinates, or their mean; [batch]."""
    return REDUCTIONS[reduce]((clean - adversarial) ** 2, axis=1)


@keras.saving.register_keras_serializable("tla_tf")
class AdversarialLogitPairing(ClassifierDefense):
    """w * CE(f(x_i)) + (1 - w) * CE(f(x'_i)) + l * ||z(x_i) - z(x'_i)||^2, averaged over i.

    The TLA paper gives no formula; this is the one of the cited paper.

    Args:
        pairing_weight: weight l of the pairing term.
        clean_weight: weight w of the clean cross entropy, in [0, 1]; 0 is adversarial training plus
            pairing.
        layer: paired output: "logits", or "x4" for the embedding.
        reduce: "sum" or "mean" over the coordinates.
        attack_objective: what the inner attack ascends: "ce", or "full", the loss itself with the
            clean outputs fixed.

    `ClassifierDefense` describes the further arguments.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        pairing_weight: float = 0.5,
        clean_weight: float = 0.5,
        layer: str = "logits",
        reduce: str = "sum",
        attack_objective: str = "ce",
        **kw: Any,
    ) -> None:
        require_allowed(locals())
        require_known("attack_objective", attack_objective, ATTACK_OBJECTIVES)
        pairing_weight = number("pairing_weight", pairing_weight)
        clean_weight = number("clean_weight", clean_weight, highest=1.0)
        weights = {
            "clean_cross_entropy": clean_weight,
            "cross_entropy": 1.0 - clean_weight,
            "pairing": pairing_weight,
        }
        super().__init__(network, term_weights=weights, monitors=("robust_accuracy",), **kw)
        self.pairing_weight = pairing_weight
        self.clean_weight = clean_weight
        self.layer = layer
        self.reduce = reduce
        self.attack_objective = attack_objective
        if layer == "x4":
            self.require_embedding()

    def craft(self, batch):
        if self.attack_objective == "ce":
            return {"adversarial": self.perturb(batch)}
        clean = self.network(batch["image"], training=False)
        clean = {name: tf.stop_gradient(output) for name, output in clean.items()}

        def loss(outputs):
            terms = self._terms(self.targets(batch), clean, outputs)
            return weighted_total(terms, self.term_weights, "none")

        return {"adversarial": self.perturb(batch, loss)}

    def loss_terms(self, batch, crafted):
        clean = self.network(batch["image"], training=True)
        adversarial = self.network(crafted["adversarial"], training=True)
        terms = self._terms(self.targets(batch), clean, adversarial)
        return terms, {"robust_accuracy": correct(adversarial["logits"], batch["label"])}

    def _terms(self, targets, clean, adversarial):
        paired = "embedding" if self.layer == "x4" else "logits"
        return {
            "clean_cross_entropy": cross_entropy(clean["logits"], targets, self.label_smoothing),
            "cross_entropy": cross_entropy(adversarial["logits"], targets, self.label_smoothing),
            "pairing": pairing(clean[paired], adversarial[paired], self.reduce),
        }
