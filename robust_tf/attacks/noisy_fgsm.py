"""N-FGSM, one gradient step from a noisy image (de Jorge et al. 2022)."""

import dataclasses
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf.attacks.attack import Attack
from robust_tf.attacks.objectives import Objective
from robust_tf.errors import UserError
from robust_tf.randomness import Shard


@dataclasses.dataclass(frozen=True)
class NoisyFGSM(Attack):
    """x + n + eps * sign(gradient at x + n), n uniform in a ball of `noise` * eps; N-FGSM.

    The result is not brought back into the ball: it may lie `noise` + 1 radii away from the image.
    So this attack is for training only.

    Args:
        threat_model, eps, norm: see `Attack`; eps is the length of the step.
        noise: radius of the noise in units of eps.
    """

    _: KW_ONLY
    noise: float = 2.0

    def ascend(
        self, objective: Objective, x: tf.Tensor, *, key: tf.Tensor, shard: Shard = Shard()
    ) -> tf.Tensor:
        """Returns images like `x` in the box, without gradient; arguments as of `PGD.ascend`."""
        ball = self.threat_model
        noisy = self._in_box(x + self.noise * ball.random_offset(x, key, shard))
        _, direction = objective.value_and_gradient(noisy)
        return tf.stop_gradient(self._in_box(ball.step(noisy, direction, ball.eps)))

    def perturb(self, logits_fn, x, y, key, shard=Shard()):
        """Refuses: no number under this attack says anything of its ball."""
        raise UserError("NoisyFGSM leaves the ball: it is for training; evaluate with PGD")

    def _in_box(self, x):
        return tf.clip_by_value(x, self.threat_model.lower, self.threat_model.upper)
