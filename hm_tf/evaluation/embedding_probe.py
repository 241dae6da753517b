"""What an embedding network puts out, its input gradients, and the path of the ES attack."""

import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.pgd import value_and_gradient
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
            gradient = value_and_gradient(self._objective(images, rows), start)[1]
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

        def step(x_adv, images, rows):
            _, direction = value_and_gradient(self._objective(images, rows), x_adv)
            moved = pgd.threat_model.step(x_adv, direction, pgd.step_size)
            moved = pgd.threat_model.project(moved, images)
            return moved, self._measured(moved, rows)

        right, distances, pixels, step = [], [], [], traced_once(step)
        for images, rows, n in self.evaluation.batches():
            x_adv, found = images, []
            for _ in range(pgd.steps):
                x_adv, hit = step(x_adv, images, rows)
                found.append(hit[:n])
            right.append(np.array(found) > 0.5)
            distances.append(pgd.threat_model.distance(x_adv, images)[:n])
            pixels += [np.min(x_adv), np.max(x_adv)]
        right, distances = np.concatenate(right, axis=1), np.concatenate(distances)
        return right, distances, min(pixels), max(pixels)

    def _objective(self, images, rows):
        gallery = self._ranker.gallery
        return self._attack.objective(self._ranker.embed, images, gallery, rows, (rows,))

    def _measured(self, images, rows):
        """R@1 of moved images."""
        moved = self._ranker.embed(images)
        return self._attack.measure(moved, self._ranker.gallery, rows, (rows,))[1]
