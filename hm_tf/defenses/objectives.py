"""What the attacks on triplets ascend."""

import tensorflow as tf

from robust_tf.attacks.objective import NetworkObjective
from robust_tf.distances import shifted_euclidean
from robust_tf.losses.triplet import hardness, missing_hardness

SATURATION = 1e-7


class TripletObjective(NetworkObjective):
    """A value per triplet; x stacks the images of all anchors, all positives and all negatives.

    Args:
        embed_fn: images [n, ...] to normalised embeddings [n, d]; decides the mode of the network.
        valid: bool [m]; the images of other triplets stay clean.
        distance: distance between embeddings.
    """

    roles = 3  # how many images of a triplet x stacks

    def __init__(self, embed_fn, valid, distance=shifted_euclidean):
        super().__init__(embed_fn)
        self.valid = valid
        self.distance = distance

    def of_triplets(self, *embeddings):
        """Returns float [m] from the embeddings of the stacked roles, [m, d] each."""
        raise NotImplementedError

    def values(self, outputs):
        values = self.of_triplets(*tf.split(outputs, self.roles))
        return tf.where(self.valid, values, tf.zeros_like(values))


class HardnessObjective(TripletObjective):
    """-max(0, H_D - H~)^2: drives each triplet up to its destination hardness (HM, section 3).

    A triplet at least as hard as its destination has no gradient and stays where it is. So does a
    shard once the mean of its triplets no longer changes by 1e-7; the loop ends with the last
    shard. In the authors' code every device attacks its own batch.

    Args:
        destination: H_D, float [m].
        shards: in how many equal parts in a row the m are divided.
    """

    def __init__(self, embed_fn, destination, valid, distance=shifted_euclidean, *, shards=1):
        super().__init__(embed_fn, valid, distance)
        self.destination = destination
        self.groups = shards

    def of_triplets(self, anchor, positive, negative):
        reached = hardness(anchor, positive, negative, self.distance)
        return missing_hardness(self.destination, reached)

    def saturated(self, means, previous):
        return tf.abs(means - previous) < SATURATION


class MinMaxObjective(TripletObjective):
    """H~ itself, without an end: the inner maximum of min-max training (HM, eq. 13)."""

    def of_triplets(self, anchor, positive, negative):
        return hardness(anchor, positive, negative, self.distance)


class CollapseObjective(TripletObjective):
    """-d(p~, n~): positives and negatives collapse (ACT; HM, eqs. 10-12); x stacks these two."""

    roles = 2

    def of_triplets(self, positive, negative):
        return -self.distance(positive, negative)


class ShiftObjective(NetworkObjective):
    """d(phi(x), target) of every image: the embedding shift (EST; ES of the evaluation).

    Args:
        embed_fn: see `TripletObjective`.
        clean: the images before the attack, [n, ...].
        target: their embeddings, float [n, d].
        jitter: float [n, d], added to the target of images that have not moved: otherwise both
            embeddings are equal in the first step.
    """

    roles = 1

    def __init__(self, embed_fn, clean, target, jitter=0.0, distance=shifted_euclidean):
        super().__init__(embed_fn)
        self.clean = clean
        self.target = target
        self.jitter = jitter
        self.distance = distance

    def outputs(self, x):
        """The embeddings; the last column is 1 where the image has not moved, else 0."""
        axes = list(range(1, x.shape.rank))
        unmoved = tf.cast(tf.reduce_all(x == self.clean, axis=axes), self.target.dtype)
        return tf.concat([self.outputs_fn(x), unmoved[:, None]], axis=1)

    def values(self, outputs):
        embeddings, unmoved = outputs[:, :-1], tf.stop_gradient(outputs[:, -1:])
        return self.distance(embeddings, self.target + self.jitter * unmoved)
