"""HM[source, destination], hardness manipulation, with ICS (HM, section 3)."""

import keras
import tensorflow as tf

from hm_tf.defenses.metric_defense import MetricDefense, members
from hm_tf.defenses.objectives import HardnessObjective
from hm_tf.triplets.destinations import loss_level
from hm_tf.triplets.hardness import hardness
from hm_tf.triplets.intra_class_structure import intra_class_structure
from hm_tf.triplets.sampler_names import SYMBOLS
from hm_tf.triplets.triplet_sampler import TripletSampler
from robust_tf.training.replicas import current_shard, gather

# The loss before the first update (the authors' code): every gradual destination starts at its end.
FIRST_LOSS = 2.0


class HardnessManipulation(MetricDefense):
    """mean_k L_T(a~_k, p~_k, n~_k) + w * mean_k ICS(a_k, a~_k, p_k).

    The attack drives the hardness of each source triplet up to its destination, and no further. If
    source and destination are the same sampler there is no attack: regular training with it.

    Args:
        sampler: `TripletSampler` of the source triplets.
        destination: `Destination`.
        ics_weight: w, 0.5 in the paper (0.05 on SOP); 0 leaves ICS out.
        ics_margin: 0 in the paper.
        loss_bound: u, the loss at which the gradual destinations start; None means the margin.

    Attributes:
        previous_loss: the triplet term of the update before, one per shard of the global batch. It
            is part of checkpoints; a resumed run of the authors' starts at 2 again.
    """

    def __init__(
        self,
        network,
        *,
        sampler,
        destination,
        margin=0.2,
        ics_weight=0.0,
        ics_margin=0.0,
        loss_bound=None,
        shards=1,
        **kw,
    ):
        weights = {"ics": ics_weight} if ics_weight else {}
        super().__init__(
            network,
            sampler=sampler,
            margin=margin,
            shards=shards,
            extra_weights=weights,
            extra_monitors=("destination",),
            **kw,
        )
        self.destination = destination
        plain = (sampler.name, SYMBOLS[sampler.name])
        self.attacks = (destination.sampler, destination.symbol) != plain
        self.ics_weight = ics_weight
        self.ics_margin = ics_margin
        self.loss_bound = margin if loss_bound is None else loss_bound
        self.previous_loss = self.add_weight(
            name="previous_loss",
            shape=[shards * tf.distribute.get_strategy().num_replicas_in_sync],
            initializer=keras.initializers.Constant(FIRST_LOSS),
            trainable=False,
            aggregation="only_first_replica",
        )

    def craft(self, batch):
        images, embeddings = batch["image"], self.embed(batch["image"])
        source = self.mine(batch, embeddings, "source")
        stacked = tf.concat(members(images, source), axis=0)
        wanted = self._wanted(batch, embeddings, source)
        if self.attacks:
            objective = HardnessObjective(self.embed, wanted, source.valid, shards=self.shards)
            stacked = self.attack.ascend(objective, stacked)
        return {"triplets": source, "images": stacked, "destination": wanted}

    def loss_terms(self, batch, crafted):
        triplets = crafted["triplets"]
        if self.ics_weight:
            anchor, positive, _ = members(batch["image"], triplets)
            clean = self.embed(tf.concat([anchor, positive], axis=0), training=True)
        adversarial = tf.split(self.embed(crafted["images"], training=True), 3)
        terms, monitors = self.triplet_terms(triplets, *adversarial)
        self._remember(terms["triplet"])
        if self.ics_weight:
            anchor, positive = tf.split(clean, 2)
            ics = intra_class_structure(anchor, adversarial[0], positive, self.ics_margin)
            terms["ics"] = tf.cast(triplets.valid, ics.dtype) * ics
        return terms, {**monitors, "destination": crafted["destination"]}

    def _wanted(self, batch, embeddings, source):
        """H_D of every source triplet, [m]."""
        benign = None
        if self.destination.sampler:
            sampler = TripletSampler(
                self.destination.sampler, margin=self.sampler.margin, mode=self.sampler.mode
            )
            triplets = self.mine(batch, embeddings, "destination", sampler)
            benign = hardness(*members(embeddings, triplets))
        current = hardness(*members(embeddings, source))
        return self.destination(self._level(current), current, benign)

    def _level(self, like):
        """The level l of the loss, [m]: each triplet has that of its shard."""
        first = current_shard().index * self.shards
        losses = tf.convert_to_tensor(self.previous_loss)[first : first + self.shards]
        level = loss_level(tf.cast(losses, like.dtype), self.loss_bound)
        return tf.repeat(level, like.shape[0] // self.shards)

    def _remember(self, losses):
        """Keeps the mean of every shard, without ICS, for the next update."""
        means = tf.reduce_mean(tf.reshape(tf.stop_gradient(losses), [self.shards, -1]), axis=1)
        self.previous_loss.assign(gather(means))
