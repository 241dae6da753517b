"""APGD, the PGD that chooses its step sizes itself.

Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks (AutoAttack), algorithm 1.
"""

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.adaptive_search import AdaptiveSearch, Found
from robust_tf.attacks.logit_gradient import logit_gradient
from robust_tf.attacks.objectives import (
    correct,
    dlr,
    dlr_form,
    likeliest_others,
    targeted_dlr,
)
from robust_tf.attacks.select_images import select_images
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.randomness import Shard

LOSSES = ("ce", "dlr", "targeted-dlr")


class APGD:
    """Projected gradient ascent that halves its step size and returns to its best point.

    Steps start at 2 eps; at fixed checkpoints those of an image are halved if the loss no longer
    rises enough, see apgd_step_size. "ce" is the cross entropy, "dlr" the difference-of-logits
    ratio, "targeted-dlr" one run towards each of the likeliest other classes. With 3 classes the
    runs of the latter ascend the untargeted ratio, with 2 both ascend the negative margin: see
    `loss_name`.

    Args:
        threat_model: a ThreatModel.
        loss: one of the above.
        steps: gradient steps of a run, >= 1.
        targets: runs of "targeted-dlr", at most one for each other class.
        rho: share of the steps between two checkpoints that must raise the loss.

    Raises:
        ValueError: unknown loss, a number out of its range.
    """

    def __init__(self, threat_model, loss="ce", *, steps=100, targets=9, rho=0.75):
        if loss not in LOSSES:
            raise ValueError(f"unknown loss {loss!r}; choose from {', '.join(LOSSES)}")
        if steps < 1 or targets < 1:
            raise ValueError(f"steps and targets must be >= 1, got {steps} and {targets}")
        self.threat_model = threat_model
        self.loss = loss
        self.steps = steps
        self.targets = targets
        self.rho = rho

    def __repr__(self):
        return (
            f"APGD({self.threat_model}, loss={self.loss!r}, steps={self.steps}, "
            f"targets={self.targets}, rho={self.rho:g})"
        )

    def loss_name(self, num_classes):
        """Says what is ascended on this many classes: "cross entropy", or see `dlr_form`."""
        if self.loss == "ce":
            return "cross entropy"
        return dlr_form(num_classes, targeted=self.loss == "targeted-dlr")

    def __call__(self, logits_fn, x, y, *, key, shard=Shard()):
        """Attacks `x`; each run only goes on while an image withstands.

        Args:
            logits_fn: images to logits [batch, classes].
            x: float [batch, ...], the clean images in the box of the threat model.
            y: int [batch], the true labels.
            key: int32 [2], see randomness.key, for the random starts.
            shard: which slice of the global batch `x` is.

        Returns:
            Images like `x`, in ball and box, without gradient: the first misclassified point, else
            the best of the first run; x itself where it is misclassified already.
        """
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        logits = logits_fn(x)
        right = correct(logits, y)
        runs = min(self.targets, logits.shape[-1] - 1) if self.loss == "targeted-dlr" else 1
        targets = likeliest_others(logits, y, runs)
        search_from = AdaptiveSearch(self.threat_model, self.steps, self.rho)

        def attack_target(number, result, standing):
            run_key = randomness.fold_in(key, number)
            start = self.threat_model.random_start(x, run_key, shard)
            values_of = self._values_of(y, tf.gather(targets, number, axis=1))
            search = search_from(_look(logits_fn, y, values_of), x, start, standing)
            replaced = standing & ((number == 0) | ~search.standing)
            return number + 1, select_images(replaced, search.best, result), search.standing

        _, result, _ = tf.while_loop(
            lambda number, result, standing: tf.reduce_any(standing),
            attack_target,
            (tf.constant(0), x, right),
            parallel_iterations=1,
            maximum_iterations=runs,
        )
        return tf.stop_gradient(result)

    def _values_of(self, y, target):
        if self.loss == "targeted-dlr":
            return lambda logits: targeted_dlr(logits, y, target)
        return lambda logits: (cross_entropy if self.loss == "ce" else dlr)(logits, y)


def _look(logits_fn, y, values_of):
    """An image that is misclassified is done."""

    def look(images):
        logits, values, gradient = logit_gradient(logits_fn, images, values_of)
        return Found(values, gradient, ~correct(logits, y))

    return look
