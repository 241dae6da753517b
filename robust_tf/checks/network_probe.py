"""What a network puts out, its input gradients, and the path of an attack through its images."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import CompiledBatch, compile_batch
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.evaluation.attack_loop import attack_loop


class NetworkProbe:
    """Looks at a classifier through the first `count` images of its `ClassifierEvaluation`."""

    def __init__(self, evaluation, count):
        self.evaluation, self.count = evaluation, count
        self._labels = tf.constant(evaluation.examples.labels, tf.int32)
        self._logits_fn = evaluation.logits_fn

    def look(self, function, rows=None, **changes):
        """Returns what a function of a batch finds, dict name -> array, see `attack_loop`.

        Args:
            function: function of (images, rows, keys), compiled or not.
            rows: int [m], the images; default: the first `count`.
            **changes: arguments of `attack_loop` that differ from the evaluation's.
        """
        compiled = function if isinstance(function, CompiledBatch) else compile_batch(function)
        rows = np.arange(self.count) if rows is None else rows
        settings = {"title": "checks", **self.evaluation.loop, **changes}
        (run,) = attack_loop(compiled, self.evaluation.examples, rows, **settings)
        return run

    def outputs(self):
        """Returns the logits, float [n, classes], of three passes.

        The second shows the same batches again, the third other batches in another order.
        """

        def look(images, rows, keys):
            return {"logits": self._logits_fn(images)}

        # One function called again: traced anew under a fixed seed it would repeat its draws.
        compiled, loop = compile_batch(look), self.evaluation.loop
        shuffled = np.random.default_rng(0).permutation(self.count)
        smaller = max(min(loop["batch_size"], self.count) // 2, 1)
        other = {} if loop["fixed_size"] else {"batch_size": smaller}
        first, second = (self.look(compiled) for _ in range(2))
        third = self.look(compiled, shuffled, **other)
        return first["logits"], second["logits"], third["logits"][np.argsort(shuffled)]

    def gradient_norms(self):
        """Returns float [n]: L2 norms of the input gradients of the loss; not finite becomes 0."""

        def look(images, rows, keys):
            loss = CrossEntropy(self._logits_fn, tf.gather(self._labels, rows))
            *_, gradient = loss.differentiate(images)
            norms = tf.norm(tf.reshape(gradient, [gradient.shape[0], -1]), axis=1)
            return {"norm": tf.where(tf.math.is_finite(norms), norms, 0)}

        return self.look(look)["norm"]

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

        run = self.look(follow)
        last = {name: values[:, -1] for name, values in run.items() if name != "rows"}
        right = run["right"].T[1:]  # the start is not a result of the attack
        return right, last["distance"], last["lowest"].min(), last["highest"].max()
