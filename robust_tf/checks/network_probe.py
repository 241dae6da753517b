"""What a network puts out, its input gradients, and the path of an attack through its images."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.logit_gradient import logit_gradient
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.evaluation.attack_loop import attack_loop, compile_batch
from robust_tf.losses.cross_entropy import cross_entropy


class NetworkProbe:
    """Looks at a classifier through the first `count` images of its `ClassifierEvaluation`."""

    def __init__(self, evaluation, count):
        self.evaluation, self.count = evaluation, count
        self._labels = tf.constant(evaluation.examples.labels, tf.int32)
        self._logits_fn = evaluation.logits_fn

    def outputs(self):
        """Returns the logits, float [n, classes], of three passes.

        The second shows the same batches again, the third other batches in another order.
        """

        def look(images, rows, keys):
            return {"logits": self._logits_fn(images)}

        # One function called again: traced anew under a fixed seed it would repeat its draws.
        compiled, images = compile_batch(look), self.evaluation.images("outputs", self.count)
        shuffled = np.random.default_rng(0).permutation(self.count)
        other = {**images, "rows": shuffled}
        if not images["fixed_size"]:
            other["batch_size"] = max(min(images["batch_size"], self.count) // 2, 1)
        (first,), (second,) = (attack_loop(compiled, **images) for _ in range(2))
        (third,) = attack_loop(compiled, **other)
        return first["logits"], second["logits"], third["logits"][np.argsort(shuffled)]

    def gradient_norms(self):
        """Returns float [n]: L2 norms of the input gradients of the loss; not finite becomes 0."""

        def look(images, rows, keys):
            gradient = self._gradient(images, tf.gather(self._labels, rows))[2]
            norms = tf.norm(tf.reshape(gradient, [gradient.shape[0], -1]), axis=1)
            return {"norm": tf.where(tf.math.is_finite(norms), norms, 0)}

        (run,) = attack_loop(look, **self.evaluation.images("gradients", self.count))
        return run["norm"]

    def trajectory(self, attack):
        """Follows a PGD on the cross entropy from its start in the evaluation.

        Returns:
            Which images are right after each step, bool [steps, n]; the distances of the last
            iterates, float [n]; their lowest and their highest pixel.
        """

        def follow(images, rows, keys):
            labels = tf.gather(self._labels, rows)

            def look(x_adv):
                pixels = tf.reshape(x_adv, [x_adv.shape[0], -1])
                return {
                    "right": correct(self._logits_fn(x_adv), labels),
                    "distance": attack.threat_model.distance(x_adv, images),
                    "lowest": tf.reduce_min(pixels, axis=1),
                    "highest": tf.reduce_max(pixels, axis=1),
                }

            objective = CrossEntropy(self._logits_fn, labels)
            seen = attack.trajectory(objective, images, key=keys, look=look)
            return {name: tf.transpose(values) for name, values in seen.items()}

        (run,) = attack_loop(follow, **self.evaluation.images("trajectory", self.count))
        last = {name: values[:, -1] for name, values in run.items() if name != "rows"}
        right = run["right"].T[1:]  # the start is not a result of the attack
        return right, last["distance"], last["lowest"].min(), last["highest"].max()

    def _gradient(self, images, labels):
        def values_of(logits):
            return cross_entropy(logits, labels)

        return logit_gradient(self._logits_fn, images, values_of)
