"""What all defenses of an embedding network share: shards, mining, and the triplet term."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from hm_tf.defenses import METRIC_LOSSES
from hm_tf.defenses.metric_losses import DISTANCES, metric_loss
from hm_tf.defenses.objectives import ShiftObjective
from hm_tf.defenses.spread import spread
from hm_tf.defenses.validation_retrieval import ValidationRetrieval
from hm_tf.triplets.pair_batch import paired_order
from hm_tf.triplets.triplet_sampler import Triplets, TripletSampler
from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.noisy_fgsm import NoisyFGSM
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError, require_known, whole_number
from robust_tf.losses.triplet import hardness
from robust_tf.models.keras_network import UNIT_RANGE, as_embedding, with_vector
from robust_tf.threat_model import NORMS, ThreatModel, pixel_ball
from robust_tf.training.adversarial_model import AdversarialModel
from robust_tf.training.inner_attack import require_inner_attack
from robust_tf.training.recipe import Recipe
from robust_tf.training.replicas import current_shard, gather

# A hardness this close to 0 is counted as a loss at the margin.
AT_MARGIN = 0.01
MONITORS = ("hardness", "skipped_triplets", "spread", "at_margin")
JITTER = 1e-7


class MetricDefense(AdversarialModel):
    """Base of the defenses of an embedding network.

    A defense is a whole Keras model: `compile`, `fit` on images in [0, 1] and labels (integers or
    one-hot), `evaluate`, `predict` and `save`. In a plain `fit` the labels of the batch decide,
    whatever its order: see `paired_order`. `PairedBatches` makes batches in which every image has a
    partner. Validation shows `recall_at_1` of the whole validation set, and `robust_recall_at_1`
    with queries whose embedding the inner attack has shifted.

    The pipeline's batch holds pairs a0, p0, a1, p1, ... The paper trains on several devices and
    mines triplets inside the batch of each. Here a device may hold several such shards. The number
    of shards decides the result, the number of devices does not. A term has one value per triplet,
    [m]. A triplet without a positive or a negative has weight 0 and is counted in m.

    Args:
        network: any `keras.Model` from images to an embedding, see `as_embedding`.
        source: name of the sampler of the triplets, see `TripletSampler`. None: value of the
            recipe.
        margin: margin of the triplet loss. None: value of the recipe.
        metric_loss: loss of the embeddings, one of `METRIC_LOSSES`.
        distance: distance in this loss, in hardness and in attacks on triplets, one of `DISTANCES`.
            With "unnormalized" triplets are mined with it, too. Validation has unit vectors.
        sampling: "fixed", or "compat" with the fallbacks of the authors' code, which take wrong
            labels where a batch has no others.
        eps: radius of the inner attack in [0, 1] pixels; "8/255" is understood. None: value of the
            recipe.
        norm: "linf" or "l2", norm of the radius.
        attack: `PGD`, `APGD` or `NoisyFGSM` in place of eps and norm. The PGD of the recipe starts
            at the image itself.
        shards: in how many parts the batch of this replica is mined.
        recipe: name of a data set with a recipe in flags/hm, such as "cub200"; it gives the
            hyper-parameters that are None.
        weight_decay: coefficient of sum 1/2 ||W||^2 over all variables. None: value of the recipe.
        embedding, input_range: see `as_embedding`.
        extra_weights: dict, the weights of terms besides "triplet".
        extra_monitors: names of values besides "hardness", "skipped_triplets", and what a collapse
            shows in: "spread", the mean distance of the anchors, and "at_margin", the share of
            triplets whose loss is the margin.

    Raises:
        UserError: eps and attack; a network that is no embedding; an attack for images
            outside [0, 1], with restarts, or with a loss of its own.
        ValueError: an unknown name, a setting out of its range.
    """

    attacked = True  # whether the defense trains on adversarial images
    resolved = frozenset(
        {"eps", "norm", "recipe", "embedding", "input_range", "extra_weights", "extra_monitors"}
    )

    def __init__(
        self,
        network: keras.Model,
        *,
        source: str | None = None,
        margin: float | None = None,
        metric_loss: str = "triplet",
        distance: str = "euclidean",
        sampling: str = "fixed",
        eps: float | str | None = None,
        norm: str = "linf",
        attack: PGD | APGD | NoisyFGSM | None = None,
        shards: int = 1,
        recipe: str = "cub200",
        weight_decay: float | None = None,
        embedding: str | None = None,
        input_range: tuple[float, float] = UNIT_RANGE,
        extra_weights: Mapping[str, float] = {},
        extra_monitors: Iterable[str] = (),
        **kw: Any,
    ) -> None:
        require_known("metric_loss", metric_loss, METRIC_LOSSES)
        require_known("distance", distance, DISTANCES)
        values = Recipe("hm", recipe)
        network = as_embedding(network, embedding=embedding, input_range=input_range)
        self._output = "vector" if distance == "unnormalized" else "embedding"
        if self._output not in network.output:
            network = with_vector(network)
        super().__init__(
            network,
            term_weights={metric_loss: 1.0, **extra_weights},
            monitors=(*MONITORS, *extra_monitors),
            weight_decay=values.number("weight_decay", weight_decay),
            **kw,
        )
        self.source = values.text("source", source)
        self.margin = values.number("margin", margin)
        self.metric_loss = metric_loss
        self.distance = distance
        self.distance_fn = DISTANCES[distance]
        self.sampling = sampling
        self.sampler = self.sampler_of(self.source)
        self.attack = self._inner_attack(eps, norm, attack, values)
        self.shards = whole_number("shards", shards, lowest=1)
        # Not among the shown metrics: at the end of an epoch they become one warning.
        self.barren = keras.metrics.Sum(name="barren_batches")
        self._retrieval = ValidationRetrieval()
        self._warned = False

    @property
    def metrics(self):
        return [*super().metrics, self.barren]

    def compile(self, optimizer: Any = "adam", loss: Any = None, **kwargs: Any) -> None:
        """As in Keras, without a loss and without metrics.

        Raises:
            UserError: a loss; metrics, which need logits.
        """
        if kwargs.get("metrics") or kwargs.get("weighted_metrics"):
            raise UserError(
                f"compile(metrics=...): {type(self).__name__} has embeddings and no logits; "
                "validation measures recall_at_1"
            )
        if kwargs.get("steps_per_execution", 1) != 1:
            raise UserError(
                "steps_per_execution: validation needs the embeddings of every batch; leave it out"
            )
        super().compile(optimizer, loss, **kwargs)

    def decayed_variables(self):
        """All of them: biases and batch norm decay too (HM, authors' code)."""
        return self.network.trainable_variables

    def unpack(self, data, step, *, trained=True):
        batch = super().unpack(data, step)
        if "sample_weight" in batch:
            raise UserError(
                "sample_weight and class_weight: a triplet has three images, so weights of images "
                "are not defined; leave them out"
            )
        if "plain" not in batch:
            return batch
        order = self._paired_shards(batch["label"])
        if trained:  # One image has no pair. With its copy it has one, without a negative.
            order = tf.repeat(order, tf.where(tf.shape(order)[0] == self.shards, 2, 1))
        return {**batch, **{name: tf.gather(batch[name], order) for name in ("image", "label")}}

    def _paired_shards(self, labels):
        """`paired_order` inside every shard: two replicas pair the images that two shards pair."""
        count, rows = self.shards, randomness.shape_of(labels)[0]
        said = f"shards={count}: a batch has images that do not divide into so many parts, namely"
        divides = tf.debugging.Assert(tf.equal(rows % count, 0), [said, rows])
        with tf.control_dependencies([] if divides is None else [divides]):
            parts = tf.reshape(labels, [count, rows // count])
        return tf.concat(
            [number * (rows // count) + paired_order(parts[number]) for number in range(count)],
            axis=0,
        )

    def embed(self, images, training=False):
        """phi(images), float [n, d]; in inference mode for attacks and mining."""
        return self.network(images, training=training)[self._output]

    def sampler_of(self, name):
        """Returns the `TripletSampler` of a name, with margin and mode of the defense.

        Raises:
            UserError: the sampler "distance" for vectors that are no unit vectors.
        """
        if name == "distance" and self.distance == "unnormalized":
            raise UserError("--distance=unnormalized: the sampler distance is of unit vectors only")
        return TripletSampler(name, margin=self.margin, mode=self.sampling)

    def mine(self, batch, embeddings, purpose="triplets", sampler=None):
        """Returns the Triplets of all shards, as places in the batch of this replica.

        Args:
            batch: batch of the step; its labels decide.
            embeddings: float [B, d], embeddings of the images of the batch.
            purpose: name of the random draws; other purposes draw independently.
            sampler: `TripletSampler` in place of the defense's own.
        """
        sampler = sampler or self.sampler
        rows = randomness.shape_of(embeddings)[0]
        size = rows // self.shards
        shape = [rows // 2, size, 2]
        noise = randomness.uniform(shape, self.key(batch, purpose), current_shard())
        parts = []
        for number, *shard in zip(
            range(self.shards),
            tf.split(embeddings, self.shards),
            self._labels_of_shards(batch["label"]),
            tf.split(noise, self.shards),
        ):
            *places, valid = sampler(*shard)
            parts.append([*(place + number * size for place in places), valid])
        return Triplets(*(tf.concat(part, axis=0) for part in zip(*parts)))

    def loss_terms(self, batch, crafted):
        """The loss of the crafted images, by default stacked by their role in the triplets."""
        embeddings = self.embed(crafted["images"], training=True)
        return self.triplet_terms(batch, crafted["triplets"], *tf.split(embeddings, 3))

    def triplet_terms(self, batch, triplets, anchor, positive, negative):
        """Returns (terms, monitors) of the loss of embeddings [m, d]."""
        weight = tf.cast(triplets.valid, anchor.dtype)
        loss = self._loss(batch, triplets, (anchor, positive, negative))
        current = tf.stop_gradient(hardness(anchor, positive, negative, self.distance_fn))
        self.barren.update_state(tf.cast(~tf.reduce_any(triplets.valid), tf.float32))
        return {self.metric_loss: weight * loss}, {
            "hardness": weight * current,
            "skipped_triplets": 1.0 - weight,
            "spread": spread(tf.stop_gradient(anchor), self.shards),
            "at_margin": weight * tf.cast(tf.abs(current) < AT_MARGIN, weight.dtype),
        }

    def _loss(self, batch, triplets, embeddings):
        """The loss of each triplet, [m]; no pair has images of two shards."""
        shards = [tf.split(rows, self.shards) for rows in embeddings]
        labels = [self._labels_of_shards(rows) for rows in members(batch["label"], triplets)]
        found = [
            metric_loss(self.metric_loss, *shard, self.margin, self.distance_fn)
            for shard in zip(zip(*shards), zip(*labels))
        ]
        return tf.concat(found, axis=0)

    def _labels_of_shards(self, labels):
        """int32 [n] in equal parts by gathers: `tf.split` has no kernel for them on a GPU."""
        size = randomness.shape_of(labels)[0] // self.shards
        starts = [number * size for number in range(self.shards)]
        return [tf.gather(labels, tf.range(start, start + size)) for start in starts]

    def shift(self, batch):
        """r* = argmax d(phi(X + r), phi(X)) for each image of the batch; returns X + r*."""
        target = self.embed(batch["image"])
        shape = randomness.shape_of(target)
        noise = randomness.uniform(shape, self.key(batch, "jitter"), current_shard())
        jitter = JITTER * tf.cast(tf.floor(3.0 * noise) - 1.0, target.dtype)
        objective = ShiftObjective(self.embed, batch["image"], target, jitter)
        return self.ascend(batch, objective, batch["image"])

    def ascend(self, batch, objective, images):
        keys = self._start_keys(batch, objective.roles, randomness.shape_of(images)[0])
        return super().ascend(batch, objective, images, key=keys)

    def _start_keys(self, batch, roles, rows):
        """A random key per image, int32 [rows, 2].

        The stacked roles of a replica are no slice of the global batch's roles.
        """
        items = rows // roles
        places = current_shard().index * items + tf.range(items)
        numbers = roles * places + tf.range(roles)[:, None]
        keys = randomness.image_keys(self.seed, "attack start", tf.reshape(numbers, [-1]))
        return randomness.fold_in(keys, batch["step"][0])

    def test_step(self, data):
        """The embeddings of a validation batch; `ValidationRetrieval` measures all of them."""
        batch = self.unpack(data, tf.constant(0), trained=False)
        images = {"embedding": batch["image"]}
        if self.attack is not None:
            images["shifted"] = self.shift(batch)
        # Retrieval is by unit vectors, whatever the distance of the training.
        embedded = {name: self.network(each)["embedding"] for name, each in images.items()}
        rows = {"label": batch["label"], **embedded}
        return {name: gather(values) for name, values in rows.items()}

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Not defined: retrieval is measured on a whole set.

        Raises:
            UserError: always.
        """
        raise UserError("test_on_batch: retrieval needs a whole set; call evaluate(x, y)")

    def make_test_function(self, force=False):
        if self.test_function is not None and not force:
            return
        super().make_test_function(force)
        self.test_function = self._retrieval.collecting(self.test_function)

    def reset_metrics(self):
        super().reset_metrics()
        self._retrieval.reset()

    def _get_metrics_result_or_logs(self, logs):
        if recalls := self._retrieval.result():
            return recalls
        self._warn_of_barren_batches()
        return super()._get_metrics_result_or_logs(logs)

    def _warn_of_barren_batches(self):
        count = int(self.barren.result()) // (2 if self.awp else 1)  # AWP makes two passes
        if count and not self._warned:
            self._warned = True
            warnings.warn(
                f"{count} batches of this epoch have no two images of one class beside another "
                "class; only weight decay moves the weights then. hm_tf.PairedBatches(x, y) makes "
                "pairs",
                stacklevel=2,
            )

    def _inner_attack(self, eps, norm, attack, values):
        require_known("norm", norm, NORMS)
        if attack is not None and eps is not None:
            raise UserError("give eps='8/255' or attack=PGD(...), not both")
        if attack is not None:
            # Restarts are for images that stay classified correctly; an embedding has none.
            return require_inner_attack(attack, norm, restarts=False)
        if not (self.attacked or eps is not None):
            return attack
        ball, steps = pixel_ball(values.text("eps", eps), norm), int(values.number("pgd_steps"))
        # The step size of the recipe belongs to the radius of the recipe.
        same = ball == ThreatModel(values.number("eps"))
        size = values.number("pgd_step_size") if same else None
        return PGD(ball, steps, size, random_start=False)


def members(values, triplets):
    """The rows of `values` [B, ...] of all anchors, positives and negatives, [m, ...] each."""
    return [tf.gather(values, places) for places in triplets[:3]]
