"""APGD, the PGD that chooses its step sizes itself.

Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks (AutoAttack), algorithm 1.
"""

import dataclasses
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.adaptive_search import Found, adaptive_search
from robust_tf.attacks.attack import Attack, LogitsFn, later
from robust_tf.attacks.objective import NetworkObjective, Objective
from robust_tf.attacks.objectives import (
    correct,
    dlr,
    dlr_form,
    likeliest_others,
    logit_difference,
    targeted_dlr,
)
from robust_tf.attacks.select_images import select_images
from robust_tf.errors import require_known
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.randomness import Shard

TARGETED = ("targeted-dlr", "targeted-margin")
LOSSES = ("ce", "dlr", *TARGETED)


@dataclasses.dataclass(frozen=True)
class APGD(Attack):
    """Projected gradient ascent that halves its step size and returns to its best point.

    Steps start at 2 eps, see `adaptive_search`. With 3 classes the runs of "targeted-dlr" ascend
    the untargeted ratio, with 2 both ratios are the negative margin: see `loss_name`.

    Args:
        threat_model, eps, norm: see `Attack`.
        loss: "ce", the cross entropy; "dlr", the difference-of-logits ratio; "targeted-dlr" and
            "targeted-margin" (MultiTargeted, Gowal et al. 2019), one run towards each of the
            likeliest other classes. `ascend` takes any `Objective` instead.
        steps: number of gradient steps of a run, >= 1.
        targets: number of targeted runs, at most one for each other class.
        rho: share of the steps between two checkpoints that must raise the loss, in [0, 1].
        restarts: number of independent runs (of all targets).

    Raises:
        ValueError: unknown loss, a setting out of its range, targets for a loss without.
    """

    loss: str = "ce"
    _: KW_ONLY
    steps: int = 100
    targets: int = 9
    rho: float = 0.75
    restarts: int = later(1)

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        require_known("loss", self.loss, LOSSES)
        if not 0 <= self.rho <= 1:  # true for NaN
            raise ValueError(f"rho must be in [0, 1], got {self.rho}")
        if self.loss not in TARGETED and self.targets != type(self).targets:
            raise ValueError(
                f"targets={self.targets} does nothing with loss={self.loss!r}; leave it out, or "
                f"choose from {', '.join(TARGETED)}"
            )

    def loss_name(self, num_classes: int) -> str:
        """Names the loss for a number of classes; of a ratio see `dlr_form`."""
        if self.loss == "ce":
            return "cross entropy"
        if self.loss == "targeted-margin":
            return "targeted margin"
        return dlr_form(num_classes, targeted=self.loss == "targeted-dlr")

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key: tf.Tensor, shard=Shard()
    ) -> tf.Tensor:
        """Attacks a batch, with the arguments of `Attack.perturb`; each run is for active images.

        Returns:
            Images like `x`, in ball and box, without gradient. Each is the first misclassified
            point, which may be x itself, else the best point of the first run.
        """
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        logits = logits_fn(x)
        classes = logits.shape[-1]
        runs = min(self.targets, classes - 1) if self.loss in TARGETED else 1
        targets = self._targets(logits_fn, x, y, logits, runs)

        def look(images, items):
            y, target = items
            ascended = NetworkObjective(logits_fn, lambda logits: self._values(logits, y, target))
            logits, values, gradient = ascended.differentiate(images)
            return Found(values, gradient, ~correct(logits, y))

        def attack_target(number, result, active):
            items = y, tf.gather(targets, number % runs, axis=1)
            restart = number // runs
            # As in an evaluation, the first run takes the key itself.
            run_key = tf.where(restart == 0, key, randomness.fold_in(key, restart))
            run_key = randomness.fold_in(run_key, number % runs)
            start = self._start(logits_fn, x, y, classes, run_key, shard)
            found, still = adaptive_search(look, x, start, active, items, **self._search)
            replaced = active & ((number == 0) | ~still)
            return number + 1, select_images(replaced, found, result), still

        _, result, _ = tf.while_loop(
            lambda number, result, active: tf.reduce_any(active),
            attack_target,
            (tf.constant(0), x, correct(logits, y)),
            parallel_iterations=1,
            maximum_iterations=runs * self.restarts,
        )
        return tf.stop_gradient(result)

    def ascend(
        self, objective: Objective, x: tf.Tensor, *, key: tf.Tensor, shard: Shard = Shard()
    ) -> tf.Tensor:
        """One run on any objective from a random point of the ball.

        Args:
            objective: `Objective`; its stop rule does not count.
            x: float [batch, ...], the clean images in the box of the threat model.
            key: int32 [2] or [batch, 2], see `randomness`.
            shard: which slice of the global batch `x` is; without effect on a key per image.

        Returns:
            Images like `x`, in ball and box, without gradient: the point of the highest value.
        """
        x = tf.convert_to_tensor(x)
        active = tf.ones(tf.shape(x)[:1], tf.bool)

        def look(images, _):
            _, values, gradient = objective.differentiate(images)
            # The images of an item, such as a triplet, have one value and one step size.
            items = tf.maximum(tf.shape(values)[0], 1)
            values = tf.tile(values, [tf.shape(images)[0] // items])
            values = tf.ensure_shape(values, images.shape[:1])
            return Found(values, gradient, tf.zeros_like(active))

        start = self.threat_model.random_start(x, key, shard)
        return tf.stop_gradient(adaptive_search(look, x, start, active, **self._search)[0])

    @property
    def _search(self):
        return {"ball": self.threat_model, "steps": self.steps, "rho": self.rho}

    def _targets(self, logits_fn, x, y, logits, count):
        """The targets of the runs, int [batch, count]."""
        return likeliest_others(logits, y, count)

    def _start(self, logits_fn, x, y, classes, key, shard):
        """Where a run begins, images like x."""
        return self.threat_model.random_start(x, key, shard)

    def _values(self, logits, y, target):
        if self.loss == "targeted-dlr":
            return targeted_dlr(logits, y, target)
        if self.loss == "targeted-margin":
            return logit_difference(logits, target, y)
        return (cross_entropy if self.loss == "ce" else dlr)(logits, y)
