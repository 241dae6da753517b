"""Output diversified initialisation (ODI, Tashiro, Song and Ermon 2020)."""

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.attack import LogitsFn
from robust_tf.attacks.objective import NetworkObjective
from robust_tf.attacks.pgd import PGD
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

# Steps of size eps, as in the paper.
STEPS = 2


def output_diversified_start(
    logits_fn: LogitsFn,
    x: tf.Tensor,
    y: tf.Tensor,
    classes: int,
    threat_model: ThreatModel,
    key: tf.Tensor,
    shard: Shard = Shard(),
) -> tf.Tensor:
    """Returns starts whose outputs lie far apart: two steps along w . z, w uniform in [-1, 1].

    Args:
        logits_fn, x, y, key, shard: see `Attack.perturb`.
        classes: number of classes.
        threat_model: `ThreatModel`.

    Returns:
        Images like `x`, in ball and box.
    """
    weights_key = randomness.fold_in(key, 1)
    shape = [randomness.shape_of(x)[0], classes]
    weights = 2.0 * randomness.uniform(shape, weights_key, shard) - 1.0

    def weighted(logits):
        return tf.reduce_sum(tf.cast(weights, logits.dtype) * logits, axis=1)

    search = PGD(threat_model, STEPS, threat_model.eps)
    return search.ascend(NetworkObjective(logits_fn, weighted), x, key=key, shard=shard)
