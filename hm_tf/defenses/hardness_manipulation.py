"""HM[source, destination], hardness manipulation, with ICS (HM, section 3)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hm_tf.defenses.metric_defense import MetricDefense, members
from hm_tf.defenses.objectives import HardnessObjective
from hm_tf.triplets import ICS_TRIPLETS, SYMBOLS, destinations
from hm_tf.triplets.destinations import loss_level
from hm_tf.triplets.intra_class_structure import ROLES, clean_roles, intra_class_structure
from robust_tf.errors import require_known
from robust_tf.losses.triplet import hardness
from robust_tf.randomness import shape_of
from robust_tf.settings import number
from robust_tf.training.recipe import Recipe
from robust_tf.training.replicas import current_shard, gather

# The loss before the first update (the authors' code): every gradual destination starts at its end.
FIRST_LOSS = 2.0


@keras.saving.register_keras_serializable("hm_tf")
class HardnessManipulation(MetricDefense):
    """mean_k L_T(a~_k, p~_k, n~_k) + w * mean_k ICS(a_k, a~_k, p_k).

    The attack drives the hardness of each source triplet up to its destination, and no further. If
    source and destination are the same sampler there is no attack: regular training with it.

    Args:
        destination: name of the destination hardness, see `destinations`. None: value of the
            recipe.
        ics: weight w of the intra-class structure loss, 0.5 in the paper (0.05 on SOP); 0 leaves it
            out. None: value of the recipe.
        ics_margin: margin of the intra-class structure loss, 0 in the paper.
        ics_triplet: members of the sextuplet that this loss compares, one of `ICS_TRIPLETS`. With
            "a,p,n" its margin is `margin`: regular training is mixed in.
        rise: the most that a destination "gb:SAMPLER" adds, xi.
        loss_bound: loss u at which the gradual destinations start; None means the margin.

    `MetricDefense` describes the further arguments.

    Attributes:
        previous_loss: the triplet term of the update before, one per shard of the global batch. It
            is part of checkpoints; a resumed run of the authors' starts at 2 again.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        destination: str | float | None = None,
        margin: float | None = None,
        ics: float | None = None,
        ics_margin: float = 0.0,
        ics_triplet: str = ICS_TRIPLETS[0],
        rise: float = 0.1,
        loss_bound: float | None = None,
        shards: int = 1,
        recipe: str = "cub200",
        **kw: Any,
    ) -> None:
        require_known("ics_triplet", ics_triplet, ICS_TRIPLETS)
        rise, ics_margin = number("rise", rise), number("ics_margin", ics_margin)
        if loss_bound is not None:
            loss_bound = number("loss_bound", loss_bound)
        values = Recipe("hm", recipe)
        margin, ics = values.number("margin", margin), values.number("ics", ics)
        super().__init__(
            network,
            margin=margin,
            shards=shards,
            recipe=recipe,
            extra_weights={"ics": ics} if ics else {},
            extra_monitors=("destination",),
            **kw,
        )
        self.destination = values.text("destination", destination)
        self.goal = destinations.get(
            self.destination, margin=margin, rise=rise, loss_bound=loss_bound
        )
        self.goal_sampler = self.goal.sampler and self.sampler_of(self.goal.sampler)
        plain = (self.source, SYMBOLS[self.source])
        self.attacks = (self.goal.sampler, self.goal.symbol) != plain
        self.ics = ics
        self.ics_margin = ics_margin
        self.ics_triplet = ics_triplet
        self.rise = rise
        self.loss_bound = loss_bound
        self.previous_loss = self.add_weight(
            name="previous_loss",
            shape=[self.shards * tf.distribute.get_strategy().num_replicas_in_sync],
            initializer=keras.initializers.Constant(FIRST_LOSS),
            trainable=False,
            aggregation="only_first_replica",
        )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        destinations.require_imported(str(config.get("destination")))
        return super().from_config(config, custom_objects)

    def load_own_variables(self, store):
        """Reads `previous_loss`, also of a model that was saved on another number of replicas."""
        saved = np.asarray(store["0"])
        shape = self.previous_loss.shape
        self.previous_loss.assign(saved if saved.shape == shape else np.full(shape, saved.mean()))

    def craft(self, batch):
        images, embeddings = batch["image"], self.embed(batch["image"])
        source = self.mine(batch, embeddings, "source")
        stacked = tf.concat(members(images, source), axis=0)
        destination = self._destination_hardness(batch, embeddings, source)
        if self.attacks:
            objective = HardnessObjective(
                self.embed, destination, source.valid, self.distance_fn, shards=self.shards
            )
            stacked = self.ascend(batch, objective, stacked)
        return {"triplets": source, "images": stacked, "destination": destination}

    def loss_terms(self, batch, crafted):
        triplets = crafted["triplets"]
        clean = self._clean_members(batch, triplets) if self.ics else {}
        adversarial = tf.split(self.adversarial_embeddings(batch, crafted), 3)
        terms, monitors = self.triplet_terms(batch, triplets, *adversarial)
        # The level of the gradual destinations is of the triplet loss, whatever is trained.
        hinge = tf.nn.relu(monitors["hardness"] + self.margin)
        self._remember(batch, tf.cast(triplets.valid, hinge.dtype) * hinge, triplets.valid)
        if self.ics:
            margin = self.margin if self.ics_triplet == "a,p,n" else self.ics_margin
            adversarial = dict(zip(ROLES, adversarial))
            ics = intra_class_structure(
                clean, adversarial, margin, self.ics_triplet, self.distance_fn
            )
            terms["ics"] = tf.cast(triplets.valid, ics.dtype) * ics
        return terms, {**monitors, "destination": crafted["destination"]}

    def adversarial_embeddings(self, batch, crafted):
        """The embeddings that are trained, [3m, d]."""
        del batch
        return self.embed(crafted["images"], training=True)

    def _clean_members(self, batch, triplets):
        """dict role -> embeddings of the clean images [m, d] that the ICS loss needs."""
        roles = clean_roles(self.ics_triplet)
        images = dict(zip(ROLES, members(batch["image"], triplets)))
        stacked = tf.concat([images[role] for role in roles], axis=0)
        return dict(zip(roles, tf.split(self.embed(stacked, training=True), len(roles))))

    def _destination_hardness(self, batch, embeddings, source):
        """H_D of every source triplet, [m]."""
        benign = None
        if self.goal_sampler:
            triplets = self.mine(batch, embeddings, "destination", self.goal_sampler)
            benign = hardness(*members(embeddings, triplets), self.distance_fn)
        current = hardness(*members(embeddings, source), self.distance_fn)
        return self.goal(self._level(current), current, benign)

    def _level(self, like):
        """The level l of the loss, [m]: each triplet has the level of its shard."""
        first = current_shard().index * self.shards
        losses = tf.convert_to_tensor(self.previous_loss)[first : first + self.shards]
        bound = self.margin if self.loss_bound is None else self.loss_bound
        level = loss_level(tf.cast(losses, like.dtype), bound)
        return tf.repeat(level, shape_of(like)[0] // self.shards)

    def _remember(self, batch, losses, valid):
        """Keeps the mean of every shard, without ICS, for the next update."""
        losses, valid = (
            tf.reshape(rows, [self.shards, -1])
            for rows in (tf.stop_gradient(losses), tf.cast(valid, losses.dtype))
        )
        if "plain" not in batch:
            means = tf.reduce_mean(losses, axis=1)
            self.previous_loss.assign(gather(means))
            return
        # Of images in any order many triplets may be invalid. Their zeros would look like the end
        # of training, where the destination is hardest. A shard without any keeps its loss.
        sums, counts = tf.reduce_sum(losses, axis=1), tf.reduce_sum(valid, axis=1)
        before = tf.cast(tf.convert_to_tensor(self.previous_loss), losses.dtype)
        means = gather(tf.math.divide_no_nan(sums, counts))
        self.previous_loss.assign(tf.where(gather(counts) > 0, means, before))
