"""TLA, triplet loss adversarial training, with its variants TLA-RN and TLA-SA."""

import functools
from types import NoneType
from typing import Any

import keras
import tensorflow as tf

from robust_tf import randomness
from robust_tf.errors import UserError, whole_number
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.settings import number, switch
from robust_tf.training.adversarial_model import weighted_total
from robust_tf.training.recipe import Recipe
from robust_tf.training.replicas import current_shard, first_row, gather
from tla_tf.defenses import require_allowed
from tla_tf.defenses.classifier_defense import ClassifierDefense, correct
from tla_tf.defenses.negatives import NegativeSelection
from tla_tf.defenses.positives import in_batch_positive
from tla_tf.defenses.triplet_loss import Triplet, hardness_objective, triplet_terms


@keras.saving.register_keras_serializable("tla_tf")
class TripletAdversarial(ClassifierDefense):
    """Equation (1) of the paper.

    sum_i CE(f(x'_i), y_i) + l1 * max(0, D(h(x'_i), h(p_i)) - D(h(x'_i), h(n_i)) + margin)
                           + l2 * (||h(x'_i)|| + ||h(p_i)|| + ||h(n_i)||),   D = 1 - |cos|

    Args:
        triplet_weight: weight l1 of the triplet loss. None: value of the recipe.
        norm_weight: weight l2 of the norms; with norm_form="mean_sq" the weight is l1 * l2, as in
            the authors' code. None: value of the recipe.
        margin: margin of the triplet with another image of the class. None: value of the recipe.
        own_margin_mul: factor on the margin of the triplet with the anchor's own image.
        negatives: `NegativeSelection`. None: the nearest image of another class.
        positive: "other" image of the class, the anchor's "own" clean image, or "both".
        pool: "batch" takes positives and negatives from the clean batch, embedded once. "separate"
            takes them from the streams "positive" and "pool" of this project's input pipeline.
        anchor: "adv", or "clean" for TLA-SA (switched anchor): the natural image of `positive` is
            the anchor, x' is its positive. The negative stays the image nearest to x', as in the
            authors' code.
        own_noise: half-width of the uniform noise on the own image, at most 1, in [0, 1] pixels.
        match_l2: weight of ||h(x') - h(own)||^2.
        norm_form: "l2", sum of norms, or "mean_sq", mean square (the authors' code).
        concat_forward: one training-mode forward of all images, instead of one per group.
        mining: "global" over all replicas, "replica" inside each.
        attack_objective: what the inner attack ascends: "ce"; "triplet", the triplet loss; "full",
            the whole loss; "hardness", the hardness of the triplet up to `attack_hardness`. All but
            the first choose positives and negatives on clean images before the attack, and the loss
            has the same. The paper ascends the cross entropy: with the triplet term "training does
            not converge" (section 4).
        attack_hardness: destination of "hardness", in [-1, 1].
        triplet_warmup_steps: updates in which the weight of the triplet loss grows linearly.

    `ClassifierDefense` describes the further arguments.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        triplet_weight: float | None = None,
        norm_weight: float | None = None,
        margin: float | None = None,
        negatives: NegativeSelection | None = None,
        positive: str = "other",
        pool: str = "batch",
        anchor: str = "adv",
        own_margin_mul: float = 1.0,
        own_noise: float = 0.0,
        match_l2: float = 0.0,
        norm_form: str = "l2",
        concat_forward: bool = False,
        mining: str = "global",
        attack_objective: str = "ce",
        attack_hardness: float = 0.0,
        triplet_warmup_steps: int = 0,
        recipe: str = "cifar10",
        **kw: Any,
    ) -> None:
        require_allowed(locals())
        if not isinstance(negatives, (NegativeSelection, NoneType)):
            raise ValueError(f"negatives is NegativeSelection('random'), got {negatives!r}")
        values = Recipe("tla", recipe)
        triplet_weight = values.number("lambda_triplet", triplet_weight)
        norm_weight = values.number("lambda_norm", norm_weight)
        match_l2 = number("match_l2", match_l2)
        norm = norm_weight * (triplet_weight if norm_form == "mean_sq" else 1.0)
        weights = {"cross_entropy": 1.0, "triplet": triplet_weight, "embedding_norm": norm}
        if match_l2:
            weights["pairing"] = match_l2
        monitors = ("robust_accuracy", "skipped_triplets")
        super().__init__(network, term_weights=weights, monitors=monitors, recipe=recipe, **kw)
        self.require_embedding()
        self.triplet_weight = triplet_weight
        self.norm_weight = norm_weight
        self.margin = values.number("margin", margin)
        self.own_margin_mul = number("own_margin_mul", own_margin_mul)
        self.negatives = NegativeSelection() if negatives is None else negatives
        self.positive = positive
        self.pool = pool
        self.anchor = anchor
        self.own_noise = number("own_noise", own_noise, highest=1.0)
        self.match_l2 = match_l2
        self.norm_form = norm_form
        self.concat_forward = switch("concat_forward", concat_forward)
        self.mining = mining
        self.attack_objective = attack_objective
        self.attack_hardness = number("attack_hardness", attack_hardness, -1.0, 1.0)
        self.triplet_warmup_steps = whole_number(
            "triplet_warmup_steps", triplet_warmup_steps, lowest=0
        )

    @property
    def positives(self):
        """Kinds of natural images that form a triplet with x' and the negative."""
        return ("own", "other") if self.positive == "both" else (self.positive,)

    def craft(self, batch):
        if self.pool == "separate" and "pool" not in batch:
            raise UserError("pool='separate' needs the project's input pipeline; use pool='batch'")
        if self.attack_objective != "ce":
            return self._craft_on_the_loss(batch)
        crafted = {"adversarial": self.perturb(batch)}
        if self.pool == "separate":
            crafted.update(self._mine_pool(batch, crafted["adversarial"]))
        return crafted

    def _craft_on_the_loss(self, batch):
        """Chooses positives and negatives on clean images, then attacks the loss that they make."""
        images, embed = batch["image"], functools.partial(self.network, training=False)
        natural = {}
        if self._needs_own():
            natural["own"] = embed(self._noisy(batch))["embedding"]
        if self.pool == "separate":
            chosen = self._mine_pool(batch, images)
            if "other" in self.positives:
                natural["other"] = embed(batch["positive"])["embedding"]
            negative = embed(chosen["negative"])["embedding"]
        else:
            clean = embed(images)["embedding"]
            chosen = self._choose(batch, clean, clean)
            gallery = self._gathered(clean)
            natural["other"] = tf.gather(gallery, chosen["positive"])
            negative = tf.gather(gallery, chosen["negative"])
        ends = tf.nest.map_structure(tf.stop_gradient, (natural, negative))

        def loss(outputs):
            if self.attack_objective == "hardness":
                triplets = self._triplets(outputs["embedding"], *ends, chosen["valid"])
                return hardness_objective(triplets, self.attack_hardness)
            terms = self._terms(outputs, batch, *ends, chosen["valid"])
            if self.attack_objective == "triplet":
                return terms["triplet"]
            return weighted_total(terms, self.term_weights, "none")

        return {"adversarial": self.perturb(batch, loss), **chosen}

    def loss_terms(self, batch, crafted):
        ends = self._from_batch if self.pool == "batch" else self._from_streams
        adversarial, natural, negative, valid = ends(batch, crafted)
        terms = self._terms(adversarial, batch, natural, negative, valid)
        skipped = 1.0 - tf.cast(valid, tf.float32)
        robust = correct(adversarial["logits"], batch["label"])
        return terms, {"robust_accuracy": robust, "skipped_triplets": skipped}

    def _terms(self, adversarial, batch, natural, negative, valid):
        """The terms of equation (1).

        Args:
            adversarial: dict of the outputs for x'.
            batch: see `AdversarialModel.unpack`.
            natural: dict, kind of positive -> embeddings.
            negative: embeddings.
            valid: bool [batch], whether there is a negative.
        """
        attacked = adversarial["embedding"]
        triplets = self._triplets(attacked, natural, negative, valid)
        triplet, norm = triplet_terms(triplets, self.norm_form)
        logits, labels = adversarial["logits"], batch["label"]
        terms = {
            "cross_entropy": cross_entropy(logits, labels, self.label_smoothing),
            "triplet": self._grown(triplet, batch["step"]),
            "embedding_norm": norm,
        }
        if self.match_l2:
            terms["pairing"] = tf.reduce_sum((attacked - natural["own"]) ** 2, axis=1)
        return terms

    def _grown(self, triplet, step):
        """The triplet loss [batch] with the share of its weight that this update has."""
        if not self.triplet_warmup_steps:
            return triplet
        share = tf.cast(step + 1, triplet.dtype) / self.triplet_warmup_steps
        return triplet * tf.minimum(share, 1)

    def _triplets(self, attacked, natural, negative, valid):
        margins = {"own": self.margin * self.own_margin_mul, "other": self.margin}
        return [
            Triplet(*self._pair(attacked, natural[name]), negative, margins[name], valid)
            for name in self.positives
        ]

    def _pair(self, attacked, natural):
        """Anchor and positive: (h(x'), h(p)), and (h(p), h(x')) of TLA-SA (section 5)."""
        return (natural, attacked) if self.anchor == "clean" else (attacked, natural)

    def _from_batch(self, batch, crafted):
        """Positives and negatives among the clean batch, in its training-mode embeddings."""
        images = {"clean": batch["image"]}
        if self.own_noise and self._needs_own():
            images["own"] = self._noisy(batch)
        outputs = self._forward({**images, "adversarial": crafted["adversarial"]})
        clean = outputs["clean"]["embedding"]
        chosen = crafted
        if self.attack_objective == "ce":
            chosen = self._choose(batch, clean, outputs["adversarial"]["embedding"])
        gallery = self._gathered(clean)
        natural = {
            "own": outputs.get("own", outputs["clean"])["embedding"],
            "other": tf.gather(gallery, chosen["positive"]),
        }
        negative = tf.gather(gallery, chosen["negative"])
        return outputs["adversarial"], natural, negative, chosen["valid"]

    def _choose(self, batch, clean, attacked):
        """Places of positives and negatives among the embeddings `clean` of the batch."""
        labels = batch["label"]
        gallery, gallery_labels = self._gathered(clean), self._gathered(labels)
        noise = self._noise(batch, "positive", labels, gallery_labels)
        positive = in_batch_positive(labels, gallery_labels, self._own_slots(labels), noise)
        negative, valid = self._select(batch, attacked, gallery, gallery_labels)
        return {"positive": positive, "negative": negative, "valid": valid}

    def _from_streams(self, batch, crafted):
        """Images of their own for positives and negatives, in the authors' order of forwards."""
        images = {"negative": crafted["negative"]}
        if "other" in self.positives:
            images["other"] = batch["positive"]
        if self._needs_own():
            images["own"] = self._noisy(batch)
        outputs = self._forward({**images, "adversarial": crafted["adversarial"]})
        natural = {name: output["embedding"] for name, output in outputs.items()}
        return outputs["adversarial"], natural, natural["negative"], crafted["valid"]

    def _forward(self, groups):
        """Training-mode outputs of each group of images.

        One forward per group, each with its own batch statistics. The adversarial images come last,
        so that the moving averages end on them. Or one forward of all with shared statistics.
        """
        if not self.concat_forward:
            return {name: self.network(images, training=True) for name, images in groups.items()}
        outputs = self.network(tf.concat(list(groups.values()), axis=0), training=True)
        parts = {name: tf.split(value, len(groups)) for name, value in outputs.items()}
        return {
            group: {name: part[i] for name, part in parts.items()} for i, group in enumerate(groups)
        }

    def _needs_own(self):
        return "own" in self.positives or bool(self.match_l2)

    def _mine_pool(self, batch, attacked):
        """The pool image nearest to each attacked image, both embedded in inference mode."""
        images, labels = batch["pool"], tf.reshape(batch["pool_label"], [-1])
        images = tf.cast(tf.reshape(images, [-1, *images.shape[2:]]), batch["image"].dtype)
        keys = self.network(attacked, training=False)["embedding"]
        candidates = self.network(images, training=False)["embedding"]
        images, candidates, labels = map(self._gathered, (images, candidates, labels))
        index, valid = self._select(batch, keys, candidates, labels)
        return {"negative": tf.gather(images, index), "valid": valid}

    def _select(self, batch, keys, candidates, candidate_labels):
        labels = batch["label"]
        return self.negatives(
            tf.stop_gradient(keys),
            labels,
            tf.stop_gradient(candidates),
            candidate_labels,
            noise=self._noise(batch, "negative", labels, candidate_labels),
            own_slot=self._own_slots(labels),
        )

    def _noisy(self, batch):
        """x~ = clip(round(x + U(-d, d))) on the 8-bit grid, as the authors make their own image."""
        images = batch["image"]
        if not self.own_noise:
            return images
        key = self.key(batch, "own noise")
        noise = randomness.uniform(randomness.shape_of(images), key, current_shard(), images.dtype)
        noisy = images + self.own_noise * (2.0 * noise - 1.0)
        return tf.clip_by_value(tf.round(noisy * 255.0) / 255.0, 0.0, 1.0)

    def _gathered(self, tensor):
        return gather(tensor) if self.mining == "global" else tensor

    def _noise(self, batch, purpose, rows, columns):
        shape = [*randomness.shape_of(rows), *randomness.shape_of(columns)]
        return randomness.uniform(shape, self.key(batch, purpose), current_shard())

    def _own_slots(self, labels):
        """The place of each anchor in the gallery."""
        (rows,) = randomness.shape_of(labels)
        slots = tf.range(rows)
        return slots + first_row(rows) if self.mining == "global" else slots
