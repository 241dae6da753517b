"""ALP, adversarial logit pairing (Kannan et al. 2018), the baseline of the TLA paper."""

import tensorflow as tf

from robust_tf.losses.cross_entropy import cross_entropy
from tla_tf.defenses.classifier_defense import ClassifierDefense, hits

REDUCTIONS = {"sum": tf.reduce_sum, "mean": tf.reduce_mean}


def pairing(clean, adversarial, reduce="sum"):
    """||z(x_i) - z(x'_i)||^2 summed over the coordinates, or their mean; [batch]."""
    return REDUCTIONS[reduce]((clean - adversarial) ** 2, axis=1)


class AdversarialLogitPairing(ClassifierDefense):
    """w * CE(f(x_i)) + (1 - w) * CE(f(x'_i)) + l * ||z(x_i) - z(x'_i)||^2, averaged over i.

    The TLA paper gives no formula; this is the one of the cited paper.

    Args:
        pairing_weight: l.
        clean_weight: w; 0 is adversarial training plus pairing.
        layer: "logits", or "x4" for the embedding.
        reduce: "sum" or "mean" over the coordinates.
    """

    def __init__(
        self, network, *, pairing_weight, clean_weight, layer="logits", reduce="sum", **kw
    ):
        weights = {
            "clean_cross_entropy": clean_weight,
            "cross_entropy": 1.0 - clean_weight,
            "pairing": pairing_weight,
        }
        super().__init__(network, term_weights=weights, monitors=("robust_accuracy",), **kw)
        self.paired = {"logits": "logits", "x4": "embedding"}[layer]
        self.reduce = reduce

    def craft(self, batch):
        return {"adversarial": self.perturb(batch)}

    def loss_terms(self, batch, crafted):
        labels = batch["label"]
        clean = self.network(batch["image"], training=True)
        adversarial = self.network(crafted["adversarial"], training=True)
        terms = {
            "clean_cross_entropy": cross_entropy(clean["logits"], labels, self.label_smoothing),
            "cross_entropy": cross_entropy(adversarial["logits"], labels, self.label_smoothing),
            "pairing": pairing(clean[self.paired], adversarial[self.paired], self.reduce),
        }
        return terms, {"robust_accuracy": hits(adversarial["logits"], labels)}
