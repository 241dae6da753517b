"""EOT: an attack on the average of many passes of a random network (Athalye et al. 2018)."""

import dataclasses
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf.attacks.attack import Attack, LogitsFn, unchecked
from robust_tf.randomness import Shard


@dataclasses.dataclass(frozen=True)
class EOT(Attack):
    """Expectation over transformations: another attack, on the mean logits of many passes.

    A gradient needs the memory of all passes.

    Args:
        threat_model, eps, norm: see `Attack`.
        attack: `Attack` within the same threat model.
        passes: number of passes, >= 1.

    Raises:
        ValueError: no attack, one in another threat model, no pass.
    """

    _: KW_ONLY
    attack: Attack = None  # type: ignore[assignment]
    passes: int = 20

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        if self.attack is None:
            raise ValueError("EOT needs an attack: EOT(ball, attack=PGD(ball))")
        if self.attack.threat_model != self.threat_model:
            raise ValueError(
                f"EOT attacks with its attack, in {self.attack.threat_model}, and not in "
                f"{self.threat_model}; give both the same"
            )

    @property
    def uses_gradients(self) -> bool:  # type: ignore[override]
        """Whether the attack inside does nothing without a gradient."""
        return self.attack.uses_gradients

    def scaled(self, share: float | tf.Tensor) -> "EOT":
        """As `Attack.scaled`, with the attack inside."""
        return unchecked(super().scaled(share), attack=self.attack.scaled(share))

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key: tf.Tensor, shard=Shard()
    ) -> tf.Tensor:
        """Attacks a batch; see `Attack.perturb` for arguments and result."""
        return self.attack.perturb(mean_logits(logits_fn, self.passes), x, y, key, shard)


def mean_logits(logits_fn: LogitsFn, passes: int) -> LogitsFn:
    """Returns the function from images to the mean of the logits of `passes` passes."""

    def mean_of(x):
        def add(number, total):
            return number + 1, tf.ensure_shape(total + logits_fn(x), total.shape)

        _, total = tf.while_loop(
            lambda number, total: number < passes,
            add,
            (tf.constant(1), logits_fn(x)),
            parallel_iterations=1,
            maximum_iterations=passes - 1,
        )
        return total / passes

    return mean_of
