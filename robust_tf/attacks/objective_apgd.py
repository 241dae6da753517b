"""APGD on any objective: random start, momentum, step sizes that it chooses itself."""

import tensorflow as tf

from robust_tf.attacks.adaptive_search import AdaptiveSearch, Found
from robust_tf.attacks.pgd import value_and_gradient
from robust_tf.randomness import Shard


class ObjectiveAPGD:
    """One run of APGD that ascends an `Objective` with one value per image.

    Args:
        threat_model: a ThreatModel.
        steps: gradient steps, >= 1.

    Raises:
        ValueError: fewer than one step.
    """

    def __init__(self, threat_model, steps):
        if steps < 1:
            raise ValueError(f"steps must be >= 1, got {steps}")
        self.threat_model = threat_model
        self.steps = steps
        self._search = AdaptiveSearch(threat_model, steps)

    def __repr__(self):
        return f"ObjectiveAPGD({self.threat_model}, steps={self.steps})"

    def __call__(self, objective, x, *, key, shard=Shard()):
        """Attacks `x` from a random point of its ball.

        Args:
            objective: an Objective with one value per image.
            x: float [batch, ...], the clean images in the box of the threat model.
            key: int32 [2], see randomness.key, for the random start.
            shard: which slice of the global batch `x` is.

        Returns:
            Images like `x`, in ball and box, without gradient: the point of the highest value.
        """
        x = tf.convert_to_tensor(x)
        standing = tf.ones(tf.shape(x)[:1], tf.bool)

        def look(images):
            values, gradient = value_and_gradient(objective, images)
            return Found(tf.cast(values, x.dtype), gradient, tf.zeros_like(standing))

        start = self.threat_model.random_start(x, key, shard)
        return tf.stop_gradient(self._search(look, x, start, standing).best)
