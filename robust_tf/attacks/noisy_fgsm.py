"""One gradient step from a noisy image.

FGSM-RS (Wong et al. 2020) and N-FGSM (de Jorge et al. 2022).
"""

import dataclasses
import functools
import math
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf.attacks.attack import Attack
from robust_tf.attacks.objective import Objective
from robust_tf.errors import UserError
from robust_tf.randomness import Shard


@dataclasses.dataclass(frozen=True)
class NoisyFGSM(Attack):
    """x + n + step * eps * sign(gradient at x + n), n uniform in a ball of `noise` * eps.

    The defaults are N-FGSM, which does not come back into the ball: an image may end noise + step
    radii away. FGSM-RS is noise=1, step=1.25, projected=True. This attack is for training only.

    The noisy image may leave the box, as in Wong's code for MNIST. Were it brought back first, a
    black pixel would always end at 0 or eps: without points in between the network overfits.

    Args:
        threat_model, eps, norm: see `Attack`.
        noise: radius of the noise in units of eps, >= 0.
        step: length of the step in units of eps, > 0.
        projected: whether the result is brought back into the ball.

    Raises:
        ValueError: a setting out of its range.
    """

    _: KW_ONLY
    noise: float = 2.0
    step: float = 1.0
    projected: bool = False

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        if not 0 <= self.noise < math.inf or not 0 < self.step < math.inf:
            raise ValueError(f"expected noise >= 0 and step > 0, got {self.noise} and {self.step}")

    def ascend(
        self, objective: Objective, x: tf.Tensor, *, key: tf.Tensor, shard: Shard = Shard()
    ) -> tf.Tensor:
        """Returns images like `x` in the box, without gradient.

        It takes the arguments of `PGD.ascend`.
        """
        ball = self.threat_model
        noisy = x + self.noise * ball.random_offset(x, key, shard)
        *_, direction = objective.differentiate(noisy)
        moved = ball.step(noisy, direction, self.step * ball.eps)
        if self.projected:
            return tf.stop_gradient(ball.project(moved, x))
        return tf.stop_gradient(tf.clip_by_value(moved, ball.lower, ball.upper))

    def perturb(self, logits_fn, x, y, key, shard=Shard()):
        """Refuses: no number under this attack says anything of its ball."""
        raise UserError("NoisyFGSM is for training, it may leave the ball; evaluate with PGD")


# The attacks of the two papers, from a ball.
FORMS = {
    "fgsm_rs": functools.partial(NoisyFGSM, noise=1.0, step=1.25, projected=True),
    "n_fgsm": NoisyFGSM,
}
