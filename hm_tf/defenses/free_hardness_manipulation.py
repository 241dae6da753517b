"""Free adversarial training (Shafahi et al. 2019) with hardness manipulation: HM's future work."""

import functools
from typing import Any

import keras
import tensorflow as tf

from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.defenses.metric_defense import members
from hm_tf.defenses.objectives import HardnessObjective
from hm_tf.triplets.triplet_sampler import Triplets
from robust_tf.errors import UserError
from robust_tf.randomness import shape_of
from robust_tf.training.replicas import current_shard, gather


@keras.saving.register_keras_serializable("hm_tf")
class FreeHardnessManipulation(HardnessManipulation):
    """HM whose attack makes one step per update, on the forward pass that the update makes anyway.

    A batch comes `free` times in a row. Its first update mines the triplets and their destination
    on clean embeddings and starts from clean images. Every update trains on the images as they are.
    It moves them along the gradient of HM's objective, J = sum_k max(0, H_D,k - H~_k)^2, in a
    backward pass of its own. The gradient of the loss would not do: it is 0 where H~ <= -margin,
    far from the destination. A triplet at its destination stays, and so does a saturated shard.

    Args:
        free: number of updates with each batch, at least 2: the first sees clean images.
        batch_size: images of the global batch.

    `HardnessManipulation` describes the further arguments. The steps of the attack are in
    validation only.

    Attributes:
        perturbation: r of the images of each triplet, [triplets, 3, h, w, c] of the global batch.
        places: their places in the global batch, and whether they are valid, [triplets, 4].
        aim: H_D of each triplet.
        objective: mean of -J of each shard before its last step.
        going: 1 for a shard that is not saturated, else 0.

    All are part of checkpoints, so a run that was stopped within a batch goes on there.

    Raises:
        UserError: fewer than 2 updates; adversarial weights, whose pass would step a second time.
    """

    def __init__(self, network: keras.Model, *, free: int, batch_size: int, **kw: Any) -> None:
        super().__init__(network, **kw)
        if free < 2:
            raise UserError(f"free={free}: the first update of a batch sees clean images; give 2")
        if self.awp:
            raise UserError("--awp: Free adversarial training has no adversarial weights")
        self.free = free
        self.batch_size = batch_size
        kept = functools.partial(
            self.add_weight,
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        count, shards = batch_size // 2, self.previous_loss.shape[0]
        images = [count, 3, *self.network.input_shape[1:]]
        self.perturbation = kept(name="perturbation", shape=images)
        # TensorFlow keeps int32 off the GPU, where XLA then refuses the step.
        self.places = kept(name="places", shape=[count, 4], dtype="int64")
        self.aim = kept(name="aim", shape=[count])
        self.objective = kept(name="objective", shape=[shards])
        self.going = kept(name="going", shape=[shards])

    def craft(self, batch):
        if "plain" in batch:
            raise UserError("free needs batches that are replayed: train with hm_tf.train --free")
        first = batch["step"][0] % self.free == 0
        places, aim, perturbation, objective, going = tf.cond(
            first, lambda: self._begun(batch), lambda: self._kept(batch)
        )
        triplets = Triplets(*tf.unstack(places[:, :3], axis=1), valid=places[:, 3] > 0)
        clean = tf.concat(members(batch["image"], triplets), axis=0)
        moved = clean + tf.concat(tf.unstack(perturbation, axis=1), axis=0)
        return {
            "triplets": triplets,
            "images": self.attack_of(batch).threat_model.project(moved, clean),
            "destination": aim,
            "clean": clean,
            "places": places,
            "objective": objective,
            "going": going,
        }

    def _begun(self, batch):
        """What an attack starts with: new triplets, no perturbation."""
        images, embeddings = batch["image"], self.embed(batch["image"])
        triplets = self.mine(batch, embeddings, "source")
        aim = self._destination_hardness(batch, embeddings, triplets)
        places = tf.stack([tf.cast(values, tf.int32) for values in triplets], axis=1)
        still = tf.zeros([shape_of(places)[0], 3, *images.shape[1:]], images.dtype)
        before = tf.fill([self.shards], tf.constant(float("inf"), images.dtype))
        return places, aim, still, before, tf.ones_like(before)

    def _kept(self, batch):
        """What the update before has left, of this replica."""
        count, dtype = shape_of(batch["image"])[0] // 2, batch["image"].dtype

        def own(variable, rows):
            first = current_shard().index * rows
            part = tf.convert_to_tensor(variable)[first : first + rows]
            return tf.reshape(part, [rows, *variable.shape[1:]])  # workers know no batch size

        of_triplets = (own(variable, count) for variable in (self.aim, self.perturbation))
        of_shards = (own(variable, self.shards) for variable in (self.objective, self.going))
        floats = (tf.cast(part, dtype) for part in (*of_triplets, *of_shards))
        return tf.cast(own(self.places, count), tf.int32) - _first_place(batch), *floats

    def adversarial_embeddings(self, batch, crafted):
        """The embeddings that are trained; their forward pass serves a step of the attack, too."""
        images, valid = crafted["images"], crafted["triplets"].valid
        objective = HardnessObjective(
            functools.partial(self.embed, training=True),
            crafted["destination"],
            valid,
            self.distance_fn,
            shards=self.shards,
        )
        embeddings, values, direction = objective.differentiate(images)
        self._step(batch, crafted, objective, values, direction)
        return embeddings

    def _step(self, batch, crafted, objective, values, direction):
        """Moves the perturbation as one iteration of `PGD.ascend` does, and keeps it."""
        clean, going = crafted["clean"], crafted["going"]
        iterates = crafted["images"], values, direction
        state = crafted["objective"], going > 0
        moved, means, on = self.attack_of(batch).moved(objective, clean, *iterates, *state)
        for variable, value in (
            (self.perturbation, tf.stack(tf.split(moved - clean, 3), axis=1)),
            (self.places, crafted["places"] + _first_place(batch)),
            (self.aim, crafted["destination"]),
            (self.objective, means),
            (self.going, tf.cast(on, going.dtype)),
        ):
            variable.assign(gather(tf.stop_gradient(value)))


def _first_place(batch):
    """What places in a replica lack to places in the global batch, int32 [4]."""
    first = current_shard().index * shape_of(batch["image"])[0]
    return first * tf.constant([1, 1, 1, 0])
