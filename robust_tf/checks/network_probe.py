"""What a network puts out, its input gradients, and the path of an attack through its images."""

import numpy as np
import tensorflow as tf

from robust_tf.attacks.logit_gradient import logit_gradient
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.evaluation.robust_accuracy import filled_batch, start_key
from robust_tf.evaluation.traced_once import traced_once
from robust_tf.losses.cross_entropy import cross_entropy


class NetworkProbe:
    """Looks at a network through all of the images given, n in number.

    Args:
        network: classifier with the output "logits"; it runs in inference mode.
        examples: `Examples`.
        batch_size: images shown together.
    """

    def __init__(self, network, examples, batch_size):
        self.network = network
        self.examples = examples
        self.batch_size = batch_size

    def outputs(self):
        """Returns the logits, float [n, classes], of two passes."""
        # One function called twice: traced anew under a fixed seed it would repeat its draws.
        forward = traced_once(self._logits_fn)
        return [self._over_batches(lambda images, labels: forward(images)) for _ in range(2)]

    def gradient_norms(self):
        """Returns float [n]: the L2 norms of the input gradients of the cross entropy."""

        def norms(images, labels):
            gradient = self._gradient(images, labels)[2]
            return tf.norm(tf.reshape(gradient, [gradient.shape[0], -1]), axis=1)

        return self._over_batches(traced_once(norms))

    def trajectory(self, attack, seed):
        """Follows a PGD on the cross entropy from its start in an evaluation.

        Returns:
            Which images are right after each step, bool [steps, n]; the distances of the last
            iterates, float [n]; their lowest and their highest pixel.
        """

        def follow(images, labels, key):
            def look(x_adv):
                right = correct(self._logits_fn(x_adv), labels)
                pixels = tf.stack([tf.reduce_min(x_adv), tf.reduce_max(x_adv)])
                return right, attack.threat_model.distance(x_adv, images), pixels

            objective = CrossEntropy(self._logits_fn, labels)
            return attack.trajectory(objective, images, key=key, look=look)

        follow, right, distances, extremes = traced_once(follow), [], [], []
        for number, (images, labels, count) in enumerate(self._batches()):
            found = [seen.numpy() for seen in follow(images, labels, start_key(seed, number))]
            right.append(found[0][1:, :count])  # the start is not a result of the attack
            distances.append(found[1][-1, :count])
            extremes.append(found[2][-1])
        right, distances = np.concatenate(right, axis=1), np.concatenate(distances)
        return right, distances, np.min(extremes), np.max(extremes)

    def _logits_fn(self, images):
        return self.network(images, training=False)["logits"]

    def _gradient(self, images, labels):
        def values_of(logits):
            return cross_entropy(logits, labels)

        return logit_gradient(self._logits_fn, images, values_of)

    def _over_batches(self, function):
        return np.concatenate([function(x, y).numpy()[:n] for x, y, n in self._batches()])

    def _batches(self):
        """Yields images and labels in batches of one shape, and how many of them are no filling."""
        for start in range(0, len(self.examples), self.batch_size):
            rows = np.arange(start, min(start + self.batch_size, len(self.examples)))
            yield (
                *filled_batch(self.examples, rows, self.batch_size, self.network),
                len(rows),
            )
