"""What all defenses of an embedding network share: shards, mining, and the triplet term."""

import tensorflow as tf

from hm_tf.defenses.spread import spread
from hm_tf.triplets.hardness import hardness, triplet_loss
from hm_tf.triplets.triplet_sampler import Triplets
from robust_tf import randomness
from robust_tf.training.adversarial_model import AdversarialModel
from robust_tf.training.replicas import current_shard

# A hardness this close to 0 is counted as a loss at the margin.
AT_MARGIN = 0.01


class MetricDefense(AdversarialModel):
    """Base of the defenses of a network with the output "embedding", of unit length.

    A batch holds pairs a0, p0, a1, p1, ... The paper trains on several devices and mines triplets
    inside the batch of each; here a device may hold several such shards, and the number of shards,
    not of devices, decides what is computed. A term has one value per triplet, [m]. A triplet
    without a negative has weight 0 and is counted among m all the same.

    Args:
        network: see `AdversarialModel`.
        sampler: `TripletSampler`.
        margin: of the triplet loss.
        attack: `PGD` without a random start; None where nothing is attacked.
        shards: in how many parts the batch of this replica is mined.
        extra_weights: dict, the weights of terms besides "triplet".
        extra_monitors: names of values besides "hardness", "skipped_triplets", and what a collapse
            shows in: "spread", the mean distance of the anchors, and "at_margin", the share of
            triplets whose loss is the margin.
    """

    def __init__(
        self,
        network,
        *,
        sampler,
        margin=0.2,
        attack=None,
        shards=1,
        extra_weights=(),
        extra_monitors=(),
        **kw,
    ):
        weights = {"triplet": 1.0, **dict(extra_weights)}
        shown = ("hardness", "skipped_triplets", "spread", "at_margin", *extra_monitors)
        super().__init__(network, term_weights=weights, monitors=shown, **kw)
        self.sampler = sampler
        self.margin = margin
        self.attack = attack
        self.shards = shards

    def decayed_variables(self):
        """All of them: biases and batch norm decay too (HM, authors' code)."""
        return self.network.trainable_variables

    def embed(self, images, training=False):
        """phi(images), float [n, d]; in inference mode for attacks and mining."""
        return self.network(images, training=training)["embedding"]

    def mine(self, batch, embeddings, purpose="triplets", sampler=None):
        """Returns the Triplets of all shards, as places in the batch of this replica.

        Args:
            batch: of the step; its labels decide.
            embeddings: float [B, d], of the images of the batch.
            purpose: of the random draws; other purposes draw independently.
            sampler: another `TripletSampler` than that of the defense.
        """
        sampler = sampler or self.sampler
        size = embeddings.shape[0] // self.shards
        shape = [embeddings.shape[0] // 2, size, 2]
        noise = randomness.uniform(shape, self.key(batch, purpose), current_shard())
        parts = []
        for start, *shard in zip(
            range(0, embeddings.shape[0], size),
            tf.split(embeddings, self.shards),
            tf.split(batch["label"], self.shards),
            tf.split(noise, self.shards),
        ):
            *places, valid = sampler(*shard)
            parts.append([*(place + start for place in places), valid])
        return Triplets(*(tf.concat(part, axis=0) for part in zip(*parts)))

    def triplet_terms(self, triplets, anchor, positive, negative):
        """Returns (terms, monitors) of the triplet loss of embeddings [m, d]."""
        weight = tf.cast(triplets.valid, anchor.dtype)
        loss = triplet_loss(anchor, positive, negative, self.margin)
        current = tf.stop_gradient(hardness(anchor, positive, negative))
        return {"triplet": weight * loss}, {
            "hardness": weight * current,
            "skipped_triplets": 1.0 - weight,
            "spread": spread(tf.stop_gradient(anchor), self.shards),
            "at_margin": weight * tf.cast(tf.abs(current) < AT_MARGIN, weight.dtype),
        }


def members(values, triplets):
    """The rows of `values` [B, ...] of all anchors, positives and negatives, [m, ...] each."""
    return [tf.gather(values, places) for places in triplets[:3]]
