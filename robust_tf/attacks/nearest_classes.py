"""The classes whose decision boundary looks nearest to an image."""

import tensorflow as tf

from robust_tf.attacks.attack import LogitsFn
from robust_tf.attacks.objective import NetworkObjective
from robust_tf.attacks.objectives import logit_difference
from robust_tf.threat_model import ThreatModel


def nearest_classes(
    logits_fn: LogitsFn,
    x: tf.Tensor,
    labels: tf.Tensor,
    classes: tf.Tensor,
    count: int,
    threat_model: ThreatModel,
) -> tf.Tensor:
    """Returns the classes, among the given ones, whose linearised boundary is nearest.

    The distance to the boundary of a class t is (z_y - z_t) / ||grad (z_y - z_t)||. The norm is
    dual to the norm of the ball (MALT, Melamed et al. 2024, section 3, where it is L2).

    Args:
        logits_fn: see `Attack.perturb`.
        x: float [batch, ...].
        labels: int [batch].
        classes: int [batch, m], without the labels.
        count: number of classes to return, <= m.
        threat_model: `ThreatModel`, of which the norm counts.

    Returns:
        int [batch, count], the nearest first.
    """
    order = 1 if threat_model.norm == "linf" else 2

    def distance(target):
        towards = NetworkObjective(
            logits_fn, lambda logits: logit_difference(logits, labels, target)
        )
        _, gap, gradient = towards.differentiate(x)
        rows = tf.reshape(gradient, [tf.shape(x)[0], -1])
        steepness = tf.norm(rows, ord=order, axis=1)
        far = tf.constant(float("inf"), x.dtype)
        return tf.where(steepness > 0, tf.math.divide_no_nan(gap, steepness), far)

    of_batch = tf.TensorSpec(x.shape[:1], x.dtype)
    distances = tf.map_fn(
        distance, tf.transpose(classes), fn_output_signature=of_batch, parallel_iterations=1
    )
    nearest = tf.math.top_k(-tf.transpose(distances), count).indices
    return tf.ensure_shape(tf.gather(classes, nearest, batch_dims=1), [x.shape[0], count])
