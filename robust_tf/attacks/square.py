"""Square, a random search that needs no gradients (Andriushchenko et al. 2020)."""

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.objectives import correct, margin
from robust_tf.attacks.select_images import select_images
from robust_tf.attacks.square_proposals import L2Proposals, LinfProposals
from robust_tf.randomness import Shard

# The share of the image a square covers halves after each of these queries out of 10 000; a run of
# another length rescales them (resc_schedule of the authors' code).
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


class Square:
    """Keeps a random change of a square of pixels if it lowers the margin of the label.

    Args:
        threat_model: a ThreatModel.
        queries: images tried, >= 1.
        p: share of the image that the first squares cover, in (0, 1].

    Raises:
        ValueError: a number out of its range.
    """

    def __init__(self, threat_model, *, queries=5000, p=0.8):
        if queries < 1 or not 0 < p <= 1:
            raise ValueError(f"expected queries >= 1 and p in (0, 1], got {queries} and {p}")
        self.threat_model = threat_model
        self.queries = queries
        self.p = p

    def __repr__(self):
        return f"Square({self.threat_model}, queries={self.queries}, p={self.p:g})"

    def __call__(self, logits_fn, x, y, *, key, shard=Shard()):
        """Attacks `x`; an image is left alone once it is misclassified.

        Args:
            logits_fn: images to logits [batch, classes]; it need not be differentiable.
            x: float [batch, height, width, channels], the clean images in the box of the threat
                model.
            y: int [batch], the true labels.
            key: int32 [2], see randomness.key.
            shard: which slice of the global batch `x` is.

        Returns:
            Images like `x`, in ball and box, without gradient: the one of the lowest margin; x
            itself where it is misclassified already.

        Raises:
            ValueError: x is not a batch of images.
        """
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        if x.shape.rank != 4:
            raise ValueError(f"expected images [batch, height, width, channels], got {x.shape}")
        proposals = self._proposals(x.shape[1:])

        def query(number, candidate, best, lowest, standing):
            logits = logits_fn(candidate)
            value = tf.cast(margin(logits, y), x.dtype)
            right = correct(logits, y)
            better = standing & ((value < lowest) | ~right)
            best = select_images(better, candidate, best)
            next_key = randomness.fold_in(key, number + 1)
            following = proposals.propose(x, best, self._level(number), next_key, shard)
            lowest = tf.where(better, value, lowest)
            following = tf.ensure_shape(following, x.shape)
            return number + 1, following, best, lowest, standing & right

        standing = correct(logits_fn(x), y)
        first = proposals.start(x, randomness.fold_in(key, 0), shard)
        infinite = tf.fill(tf.shape(standing), tf.constant(float("inf"), x.dtype))
        _, _, best, *_ = tf.while_loop(
            lambda number, candidate, best, lowest, standing: tf.reduce_any(standing),
            query,
            (tf.constant(0), tf.ensure_shape(first, x.shape), x, infinite, standing),
            parallel_iterations=1,
            maximum_iterations=self.queries,
        )
        return tf.stop_gradient(best)

    def _proposals(self, shape):
        kind = LinfProposals if self.threat_model.norm == "linf" else L2Proposals
        areas = [self.p / 2**level for level in range(len(HALVINGS) + 1)]
        return kind(self.threat_model, areas, shape)

    def _level(self, number):
        """How often the squares have been halved when `number` queries were made."""
        rescaled = number * 10_000 // self.queries
        return tf.reduce_sum(tf.cast(rescaled > tf.constant(HALVINGS), tf.int32))
