"""Log densities of Gaussians with a gradient, for an attack on `MixtureDetector`."""

import math

import numpy as np
import tensorflow as tf


def gaussian_log_densities(x, means, whitenings, log_determinants):
    """Returns log N(x; mean, covariance) of every class, float [batch, classes].

    The same numbers as `mixture_detection.log_densities`, which has no gradient.

    Args:
        x: float [batch, d].
        means: float [classes, d].
        whitenings: float [classes, d, d] or, if all classes share one, [1, d, d]: W with
            W W^T = covariance^-1.
        log_determinants: float [classes] or [1], of the covariances.
    """
    whitened = tf.matmul(x[None] - means[:, None], whitenings)
    distances = tf.reduce_sum(tf.square(whitened), axis=-1)
    constants = log_determinants + x.shape[-1] * math.log(2 * math.pi)
    return -0.5 * tf.transpose(distances + constants[:, None])


class MixtureScore(tf.Module):
    """c(x) = max_k log N(h(x); mu_k, Sigma_k) of a fitted `MixtureDetector`, differentiable.

    Args:
        detector: the `MixtureDetector`.
        dtype: Data type of the embeddings.
    """

    def __init__(self, detector, dtype=tf.float32):
        super().__init__()
        covariances = detector.covariances
        if all(covariance is covariances[0] for covariance in covariances):
            covariances = covariances[:1]  # tied: one matrix for all
        unit = np.eye(detector.means.shape[1])
        # Variables: a SavedModel would copy constants into its graph, which is limited to 2 GB.
        self._gaussians = [
            tf.Variable(values, trainable=False, dtype=dtype)
            for values in (
                detector.means,
                np.stack([covariance.whiten(unit) for covariance in covariances]),
                np.stack([covariance.log_pdet for covariance in covariances]),
            )
        ]

    def __call__(self, embeddings):
        """Returns c, float [batch], of float [batch, d]."""
        return tf.reduce_max(gaussian_log_densities(embeddings, *self._gaussians), axis=1)
