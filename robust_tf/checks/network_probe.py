"""What a network puts out, its input gradients, and the path of an attack through its images."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.evaluation.attack_loop import attack_loop


class NetworkProbe:
    """Looks at a network through some images of a data set.

    Args:
        examples: `Examples`.
        rows: int [n], the images.
        outputs_fn: images to outputs, float [b, d].
        objective: function (images, int [b] rows) -> `Objective`, what the attack ascends.
        correct: function (images, int [b] rows) -> bool [b].
        **loop: further arguments of `attack_loop`.
    """

    def __init__(self, examples, rows, outputs_fn, *, objective, correct, **loop):
        self._examples, self.rows = examples, rows
        self._objective, self._correct = objective, correct

        def forward(images, rows, keys):  # TensorFlow names its inputs by the arguments
            return {"outputs": outputs_fn(images)}

        # One function called again: traced anew under a fixed seed it would repeat its draws.
        self._forward = CompiledBatch(forward)
        self.loop = {"title": "checks", **loop}

    def look(self, function, rows=None, **changes):
        """Returns what a function of a batch finds, dict name -> array, see `attack_loop`.

        Args:
            function: function of (images, rows, keys).
            rows: int [m], the images; default: all of the probe.
            **changes: arguments of `attack_loop` that differ from the probe's.
        """
        rows = self.rows if rows is None else rows
        (run,) = attack_loop(function, self._examples, rows, **{**self.loop, **changes})
        return run

    def outputs(self, **changes):
        """Returns the outputs of one pass in the order of the images, float [n, d]."""
        return self.look(self._forward, **changes)["outputs"]

    def shuffled_outputs(self, **changes):
        """Returns the same of a pass in another order."""
        order = np.random.default_rng(0).permutation(len(self.rows))
        return self.outputs(rows=self.rows[order], **changes)[np.argsort(order)]

    def gradient_norms(self, ball=None):
        """Returns float [n]: L-inf norms of the input gradients; one that is not finite becomes 0.

        Args:
            ball: `ThreatModel`, the gradients are at a random point of it; None: at the images.
        """

        def norms(images, rows, keys):
            point = images if ball is None else ball.random_start(images, keys)
            *_, gradient = self._objective(images, rows).differentiate(point)
            # The squares of tiny gradients would underflow to zero.
            norms = tf.norm(tf.reshape(gradient, [gradient.shape[0], -1]), ord=np.inf, axis=1)
            return {"norm": tf.where(tf.math.is_finite(norms), norms, 0)}

        return self.look(norms)["norm"]

    def trajectory(self, pgd):
        """Follows a `PGD` from its start in the evaluation.

        Returns:
            Which images are correct after each step, bool [steps, n]; the distances of the last
            iterates, float [n]; their lowest and their highest pixel.
        """

        def follow(images, rows, keys):
            def look(x_adv):
                pixels = tf.reshape(x_adv, [x_adv.shape[0], -1])
                return {
                    "correct": self._correct(x_adv, rows),
                    "distance": pgd.threat_model.distance(x_adv, images),
                    "lowest": tf.reduce_min(pixels, axis=1),
                    "highest": tf.reduce_max(pixels, axis=1),
                }

            seen = pgd.trajectory(self._objective(images, rows), images, key=keys, look=look)
            return {name: tf.transpose(values) for name, values in seen.items()}

        run = self.look(follow)
        last = {name: values[:, -1] for name, values in run.items() if name != "rows"}
        correct = run["correct"].T[1:]  # the start is not a result of the attack
        return correct, last["distance"], last["lowest"].min(), last["highest"].max()
