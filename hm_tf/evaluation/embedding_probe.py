"""What an embedding network puts out, its input gradients, and the path of the ES attack."""

import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.evaluation.traced_once import traced_once


class EmbeddingProbe:
    """Looks at a network through all queries of an evaluation, q in number.

    Args:
        evaluation: `RankingEvaluation`.
    """

    def __init__(self, evaluation):
        self.evaluation = evaluation
        self._attack = evaluation.attack("ES", "fixed")
        self._ranker = evaluation.ranker

    def outputs(self):
        """Returns the embeddings, float [q, d], of two passes."""
        # One function called twice: traced anew under a fixed seed it would repeat its draws.
        forward = traced_once(self._ranker.embed)
        return [
            np.concatenate([forward(images)[:n] for images, _, n in self.evaluation.batches()])
            for _ in range(2)
        ]

    def gradient_norms(self):
        """Returns float [q]: L2 norms of the input gradients of the embedding's shift.

        At a random point of the ball: at the image itself only rounding decides.
        """
        threat_model = self.evaluation.pgd.threat_model

        def norms(images, rows, key):
            start = threat_model.random_start(images, key)
            gradient = self._objective(images, rows).value_and_gradient(start)[1]
            return tf.norm(tf.reshape(gradient, [gradient.shape[0], -1]), axis=1)

        found, norms = [], traced_once(norms)
        for number, (images, rows, n) in enumerate(self.evaluation.batches()):
            key = randomness.key(self.evaluation.about["seed"], number, "checks, gradients")
            found.append(norms(images, rows, key)[:n])
        return np.concatenate(found)

    def trajectory(self):
        """Follows the protocol's ES step by step.

        Returns:
            Whether R@1 holds after each step, bool [steps, q]; the distances of the last iterates,
            float [q]; their lowest and their highest pixel.
        """
        pgd = self.evaluation.pgd

        def follow(images, rows):
            def look(x_adv):
                pixels = tf.stack([tf.reduce_min(x_adv), tf.reduce_max(x_adv)])
                distances = pgd.threat_model.distance(x_adv, images)
                return self._measured(x_adv, rows), distances, pixels

            return pgd.trajectory(self._objective(images, rows), images, look=look)

        right, distances, extremes, follow = [], [], [], traced_once(follow)
        for images, rows, n in self.evaluation.batches():
            found = [seen.numpy() for seen in follow(images, rows)]
            right.append(found[0][1:, :n] > 0.5)  # the image itself is no result of the attack
            distances.append(found[1][-1, :n])
            extremes.append(found[2][-1])
        right, distances = np.concatenate(right, axis=1), np.concatenate(distances)
        return right, distances, np.min(extremes), np.max(extremes)

    def _objective(self, images, rows):
        gallery = self._ranker.gallery
        return self._attack.objective(self._ranker.embed, images, gallery, rows, (rows,))

    def _measured(self, images, rows):
        """R@1 of moved images."""
        moved = self._ranker.embed(images)
        return self._attack.measure(moved, self._ranker.gallery, rows, (rows,))[1]
