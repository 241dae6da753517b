"""What all defenses of a classifier share: logits in a stated mode, and the inner attack."""

import tensorflow as tf

from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.training.adversarial_model import AdversarialModel
from robust_tf.training.replicas import current_shard


class ClassifierDefense(AdversarialModel):
    """Base of the defenses of a network with the outputs "logits" and "embedding".

    Args:
        network: see `AdversarialModel`.
        attack: `PGD` that makes the adversarial images of a step; None for undefended training.
        label_smoothing: of the cross entropy, in the loss and in the attack.
        attack_bn_mode: "inference", or "training": batch statistics in every gradient pass of the
            attack, which also moves the averages (the authors' code for AT).
    """

    def __init__(
        self, network, *, attack=None, label_smoothing=0.0, attack_bn_mode="inference", **kw
    ):
        super().__init__(network, **kw)
        self.attack = attack
        self.label_smoothing = label_smoothing
        self.attack_bn_training = attack_bn_mode == "training"

    def perturb(self, batch):
        """x': the attack on the cross entropy alone (TLA, section 3: never on the triplet term)."""

        def logits_fn(images):
            return self.network(images, training=self.attack_bn_training)["logits"]

        objective = CrossEntropy(logits_fn, batch["label"], label_smoothing=self.label_smoothing)
        key = self.key(batch, "attack start")
        return self.attack(objective, batch["image"], key=key, shard=current_shard())


def hits(logits, labels):
    """1 where the prediction is right, float32 [batch]."""
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)
    return tf.cast(predicted == labels, tf.float32)
