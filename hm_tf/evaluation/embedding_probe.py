"""Outputs and input gradients of an embedding network, and the path of the ES attack."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import CompiledBatch, compile_batch
from robust_tf.evaluation.attack_loop import attack_loop


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
        """Returns the embeddings, float [q, d], of two passes in other orders."""
        # One function called twice: traced anew under a fixed seed it would repeat its draws.
        forward = compile_batch(
            lambda images, rows, keys: {"embedding": self._ranker.embed(images)}
        )
        queries = self.evaluation.test_set.queries
        shuffled = np.random.default_rng(0).permutation(len(queries))
        first = self._look(forward, queries)["embedding"]
        second = self._look(forward, queries[shuffled])["embedding"]
        return first, second[np.argsort(shuffled)]

    def gradient_norms(self):
        """Returns float [q]: L2 norms of the input gradients of the embedding's shift.

        The point is random in the ball: at the image itself only rounding decides.
        """
        threat_model = self.evaluation.pgd.threat_model

        def norms(images, rows, keys):
            start = threat_model.random_start(images, keys)
            *_, gradient = self._objective(images, rows).differentiate(start)
            return {"norm": tf.norm(tf.reshape(gradient, [gradient.shape[0], -1]), axis=1)}

        return self._look(norms)["norm"]

    def trajectory(self):
        """Follows the protocol's ES step by step.

        Returns:
            Whether R@1 holds after each step, bool [steps, q]; the distances of the last iterates,
            float [q]; their lowest and their highest pixel.
        """
        pgd = self.evaluation.pgd

        def follow(images, rows, keys):
            def look(x_adv):
                embeddings = self._ranker.embed(x_adv)
                recall = self._attack.measure(embeddings, self._ranker.gallery, rows, (rows,))[1]
                low, high = (f(x_adv, axis=[1, 2, 3]) for f in (tf.reduce_min, tf.reduce_max))
                return recall, pgd.threat_model.distance(x_adv, images), low, high

            objective = self._objective(images, rows)
            recall, distance, low, high = pgd.trajectory(objective, images, key=keys, look=look)
            last = {"distance": distance[-1], "low": low[-1], "high": high[-1]}
            return {"recall": tf.transpose(recall[1:]), **last}

        found = self._look(follow)
        right = found["recall"].T > 0.5
        return right, found["distance"], found["low"].min(), found["high"].max()

    def _look(self, function, rows=None):
        evaluation = self.evaluation
        compiled = function if isinstance(function, CompiledBatch) else compile_batch(function)
        [found] = attack_loop(
            compiled,
            evaluation.test_set.examples,
            evaluation.test_set.queries if rows is None else rows,
            title="checks",
            seed=evaluation.about["seed"],
            batch_size=evaluation.batch_size,
            progress=False,
        )
        return found

    def _objective(self, images, rows):
        gallery = self._ranker.gallery
        return self._attack.objective(self._ranker.embed, images, gallery, rows, (rows,))
