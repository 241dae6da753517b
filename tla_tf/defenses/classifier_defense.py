"""What all defenses of a classifier share: logits in a stated mode, and the inner attack."""

import functools
from typing import Any

import keras
import tensorflow as tf

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.noisy_fgsm import NoisyFGSM
from robust_tf.attacks.objectives import ClassifierObjective, CrossEntropy
from robust_tf.attacks.objectives import correct as is_correct
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError, require_known
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.models.keras_network import UNIT_RANGE, as_classifier
from robust_tf.settings import number
from robust_tf.threat_model import NORMS, ThreatModel, pixel_ball
from robust_tf.training.adversarial_model import AdversarialModel
from robust_tf.training.inner_attack import require_inner_attack
from robust_tf.training.recipe import Recipe
from robust_tf.training.replicas import current_shard
from tla_tf.defenses import require_allowed


class ClassifierDefense(AdversarialModel):
    """Base of the defenses of a classifier.

    A defense is a whole Keras model: `compile`, `fit` on images in [0, 1] and labels (integers or
    one-hot), `evaluate`, `predict` and `save`. Validation shows `accuracy`, `robust_accuracy` under
    the inner attack in inference mode, and as `loss` the cross entropy of the adversarial images.

    Args:
        network: any `keras.Model` from images to logits, see `as_classifier`.
        eps: radius of the inner attack in [0, 1] pixels; "8/255" is understood. The attack is the
            PGD of the recipe, with a random start.
        norm: "linf" or "l2", norm of the radius.
        attack: `PGD`, `APGD` or `NoisyFGSM` that makes the adversarial images of a step, in place
            of eps and norm.
        label_smoothing: label smoothing of the cross entropy, in [0, 1), in the loss and in the
            attack.
        attack_bn_mode: "inference", or "training": batch statistics in every gradient pass of the
            attack, which also moves the averages (the authors' code for AT).
        recipe: name of a data set with a recipe in flags/tla, such as "cifar10"; it gives the
            hyper-parameters that are None.
        weight_decay: coefficient of sum 1/2 ||W||^2 over the kernels. None: value of the recipe.
        embedding, input_range: see `as_classifier`.

    Raises:
        UserError: neither eps nor attack, or both; a network that is no classifier; an attack for
            images outside [0, 1], or with a loss of its own.
        ValueError: an argument with a value that nobody reads or out of its range.
    """

    attacked = True  # whether the defense trains on adversarial images
    resolved = frozenset({"eps", "norm", "recipe", "embedding", "input_range"})

    def __init__(
        self,
        network: keras.Model,
        *,
        eps: float | str | None = None,
        norm: str = "linf",
        attack: PGD | APGD | NoisyFGSM | None = None,
        label_smoothing: float = 0.0,
        attack_bn_mode: str = "inference",
        recipe: str = "cifar10",
        weight_decay: float | None = None,
        embedding: str | None = None,
        input_range: tuple[float, float] = UNIT_RANGE,
        **kw: Any,
    ) -> None:
        require_allowed(locals())
        values = Recipe("tla", recipe)
        network = as_classifier(network, embedding=embedding, input_range=input_range)
        attack = self._inner_attack(eps, norm, attack, values)
        tested = ("accuracy", "robust_accuracy") if attack else ("accuracy",)
        decay = values.number("weight_decay", weight_decay)
        super().__init__(network, weight_decay=decay, tested=tested, **kw)
        self.attack = attack
        self.label_smoothing = number("label_smoothing", label_smoothing, highest=1.0)
        if label_smoothing == 1:
            raise ValueError("label_smoothing=1 leaves nothing of the label; allowed is less")
        self.attack_bn_mode = attack_bn_mode

    def require_embedding(self):
        """Raises UserError where the network has no output "embedding"."""
        if "embedding" not in self.network.output:
            raise UserError(
                f"{type(self).__name__} compares embeddings, and {self.network.name} does not end "
                "in a dense layer; name the layer of the embedding: embedding='layer_name', or "
                "return a dict with logits and embedding"
            )

    def targets(self, batch):
        """What the cross entropy compares with: labels; with CutMix the shares of the classes."""
        return batch.get("shares", batch["label"])

    def perturb(self, batch, loss=None):
        """x': the inner attack on the batch.

        Args:
            batch: batch of the step.
            loss: function from the outputs of the network, a dict, to float [batch], to ascend.
                None: the cross entropy alone (TLA, section 3: never the triplet term).
        """
        if loss is None and "shares" in batch:
            loss = lambda outputs: cross_entropy(
                outputs["logits"], batch["shares"], self.label_smoothing
            )
        return self._attacked(batch, self.attack_bn_mode == "training", loss)

    def test_values(self, batch):
        labels = batch["label"]
        clean = self.network(batch["image"], training=False)["logits"]
        if self.attack is None:
            return {"loss": cross_entropy(clean, labels), "accuracy": correct(clean, labels)}
        attacked = self._attacked(batch, training=False)
        logits = self.network(attacked, training=False)["logits"]
        return {
            "loss": cross_entropy(logits, labels),
            "accuracy": correct(clean, labels),
            "robust_accuracy": correct(logits, labels),
        }

    def _attacked(self, batch, training, loss=None):
        labels = batch["label"]
        outputs_fn = functools.partial(self.network, training=training)
        if loss is None:
            smoothing = {"label_smoothing": self.label_smoothing, "coupled": training}
            objective = CrossEntropy(lambda x: outputs_fn(x)["logits"], labels, **smoothing)
        else:
            widths = {name: output.shape[-1] for name, output in self.network.output.items()}
            objective = _LossObjective(outputs_fn, widths, labels, loss, coupled=training)
        key = self.key(batch, "attack start")
        return self.ascend(batch, objective, batch["image"], key=key, shard=current_shard())

    def _inner_attack(self, eps, norm, attack, values):
        require_known("norm", norm, NORMS)
        if not self.attacked and eps is None:
            return attack and require_inner_attack(attack, norm)
        if (eps is None) == (attack is None):
            raise UserError(
                f"{type(self).__name__} needs a radius or an attack, not both: eps='8/255' or "
                "attack=PGD(...)"
            )
        if attack is not None:
            return require_inner_attack(attack, norm)
        ball, steps = pixel_ball(eps, norm), int(values.number("attack_steps"))
        # The step size of the recipe belongs to the ball of the recipe.
        same = ball == ThreatModel(values.number("eps"))
        size = values.number("attack_step_size") if same else None
        return PGD(ball, steps, size, random_start=True)


class _LossObjective(ClassifierObjective):
    """A loss of all outputs of a network, not of its logits alone.

    The outputs are one tensor, side by side.

    Args:
        outputs_fn: function from images to dict name -> float [batch, width], with "logits".
        widths: dict name -> int, the widths of these outputs.
        labels: int [batch].
        loss: function from that dict to float [batch].
        coupled: see `Objective`.
    """

    def __init__(self, outputs_fn, widths, labels, loss, *, coupled=False):
        def all_outputs(images):
            outputs = outputs_fn(images)
            return tf.concat([outputs[name] for name in widths], axis=1)

        super().__init__(all_outputs, labels, coupled=coupled)
        self.widths = widths
        self.loss = loss

    def values(self, logits):
        return self.loss(self._apart(logits))

    def active(self, x):
        return is_correct(self._apart(self.outputs(x))["logits"], self.labels)

    def _apart(self, joined):
        parts = tf.split(joined, list(self.widths.values()), axis=1)
        return dict(zip(self.widths, parts))


def correct(logits, labels):
    """1 where the prediction is right, float32 [batch]."""
    return tf.cast(is_correct(logits, labels), tf.float32)
