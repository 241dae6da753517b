"""TLA, triplet loss adversarial training, with its variants TLA-RN and TLA-SA."""

import tensorflow as tf

from robust_tf import randomness
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.training.replicas import current_shard, gather
from tla_tf.defenses.classifier_defense import ClassifierDefense, hits
from tla_tf.positives import in_batch_positive
from tla_tf.triplet_loss import Triplet, triplet_terms


class TripletAdversarial(ClassifierDefense):
    """Equation (1) of the paper.

    sum_i CE(f(x'_i), y_i) + l1 * max(0, D(h(x'_i), h(p_i)) - D(h(x'_i), h(n_i)) + margin)
                           + l2 * (||h(x'_i)|| + ||h(p_i)|| + ||h(n_i)||),   D = 1 - |cos|

    Args:
        attack: `PGD` of the inner maximisation.
        triplet_weight: l1.
        norm_weight: l2; with norm_form="mean_sq" the weight is l1 * l2, as in the authors' code.
        margin: of the triplet with another image of the class.
        own_margin_mul: factor on the margin of the triplet with the anchor's own image.
        negatives: `NegativeSelection`.
        positive: "other" image of the class, the anchor's "own" clean image, or "both".
        pool: "batch" takes positives and negatives from the clean batch, embedded once; "separate"
            takes them from the streams "positive" and "pool" of the pipeline.
        anchor: "adv", or "clean" for TLA-SA (switched anchor: clean anchor, adversarial positive).
        own_noise: half-width of the uniform noise on the own image, in [0, 1] pixels.
        match_l2: weight of ||h(x') - h(own)||^2.
        mining: "global" over all replicas, "replica" inside each.
    """

    def __init__(
        self,
        network,
        *,
        triplet_weight,
        norm_weight,
        margin,
        negatives,
        positive="other",
        pool="batch",
        anchor="adv",
        own_margin_mul=1.0,
        own_noise=0.0,
        match_l2=0.0,
        norm_form="l2",
        mining="global",
        **kw,
    ):
        norm = norm_weight * (triplet_weight if norm_form == "mean_sq" else 1.0)
        weights = {"cross_entropy": 1.0, "triplet": triplet_weight, "embedding_norm": norm}
        if match_l2:
            weights["pairing"] = match_l2
        monitors = ("robust_accuracy", "skipped_triplets")
        super().__init__(network, term_weights=weights, monitors=monitors, **kw)
        self.margins = {"other": margin, "own": margin * own_margin_mul}
        self.negatives = negatives
        self.positives = ("own", "other") if positive == "both" else (positive,)
        self.pool = pool
        self.anchor = anchor
        self.own_noise = own_noise
        self.match_l2 = match_l2
        self.norm_form = norm_form
        self.mining = mining

    def craft(self, batch):
        crafted = {"adversarial": self.perturb(batch)}
        if self.pool == "separate":
            crafted.update(self._mine_pool(batch, crafted["adversarial"]))
        return crafted

    def loss_terms(self, batch, crafted):
        # Training-mode forwards, the adversarial images last: batch norm's averages end on them.
        if self.pool == "batch":
            clean, positives, negative, valid, adversarial = self._from_batch(batch, crafted)
        else:
            clean, positives, negative, valid, adversarial = self._from_streams(batch, crafted)
        attacked = adversarial["embedding"]
        triplets = [
            Triplet(*self._ends(attacked, clean, positives[name]), negative, margin, valid)
            for name, margin in self.margins.items()
            if name in positives
        ]
        triplet, norm = triplet_terms(triplets, self.norm_form)
        labels = batch["label"]
        terms = {
            "cross_entropy": cross_entropy(adversarial["logits"], labels, self.label_smoothing),
            "triplet": triplet,
            "embedding_norm": norm,
        }
        if self.match_l2:
            own = positives.get("own", clean)
            terms["pairing"] = tf.reduce_sum((attacked - own) ** 2, axis=1)
        skipped = 1.0 - tf.cast(valid, tf.float32)
        robust = hits(adversarial["logits"], labels)
        return terms, {"robust_accuracy": robust, "skipped_triplets": skipped}

    def _ends(self, attacked, clean, positive):
        """(anchor, positive): (h(x'), h(p)), or (h(x), h(x')) for TLA-SA."""
        return (clean, attacked) if self.anchor == "clean" else (attacked, positive)

    def _from_batch(self, batch, crafted):
        """Positives and negatives among the clean batch, in its training-mode embeddings."""
        labels = batch["label"]
        clean = self._embed(batch["image"])
        own = self._own(batch, clean)
        adversarial = self.network(crafted["adversarial"], training=True)
        gallery, gallery_labels = self._gathered(clean), self._gathered(labels)
        index, valid = self._select(batch, adversarial["embedding"], gallery, gallery_labels)
        positives = {"own": own} if "own" in self.positives else {}
        if "other" in self.positives:
            noise = self._noise(batch, "positive", labels, gallery_labels)
            slots = self._own_slots(labels)
            chosen = in_batch_positive(labels, gallery_labels, slots, noise)
            positives["other"] = tf.gather(gallery, chosen)
        return clean, positives, tf.gather(gallery, index), valid, adversarial

    def _from_streams(self, batch, crafted):
        """The authors' order of forwards: negatives, positives, own images, adversarial images."""
        negative = self._embed(crafted["negative"])
        positives = {}
        if "other" in self.positives:
            positives["other"] = self._embed(batch["positive"])
        clean = None
        if "own" in self.positives or self.anchor == "clean" or self.match_l2:
            clean = self._embed(self._noisy(batch))
        if "own" in self.positives:
            positives["own"] = clean
        adversarial = self.network(crafted["adversarial"], training=True)
        return clean, positives, negative, crafted["valid"], adversarial

    def _mine_pool(self, batch, adversarial):
        """The pool image nearest to x' of each anchor, both embedded in inference mode."""
        images, labels = batch["pool"], tf.reshape(batch["pool_label"], [-1])
        images = tf.cast(tf.reshape(images, [-1, *images.shape[2:]]), adversarial.dtype)
        keys = self.network(adversarial, training=False)["embedding"]
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

    def _embed(self, images):
        return self.network(images, training=True)["embedding"]

    def _own(self, batch, clean):
        """h(x~): the clean embedding, or that of the noisy image where noise is asked for."""
        needed = self.own_noise and ("own" in self.positives or self.match_l2)
        return self._embed(self._noisy(batch)) if needed else clean

    def _noisy(self, batch):
        """x~ = clip(round(x + U(-d, d))) on the 8-bit grid, as the authors make their own image."""
        images = batch["image"]
        if not self.own_noise:
            return images
        key = self.key(batch, "own noise")
        noise = randomness.uniform(images.shape, key, current_shard(), images.dtype)
        noisy = images + self.own_noise * (2.0 * noise - 1.0)
        return tf.clip_by_value(tf.round(noisy * 255.0) / 255.0, 0.0, 1.0)

    def _gathered(self, tensor):
        return gather(tensor) if self.mining == "global" else tensor

    def _noise(self, batch, purpose, rows, columns):
        shape = [rows.shape[0], columns.shape[0]]
        return randomness.uniform(shape, self.key(batch, purpose), current_shard())

    def _own_slots(self, labels):
        """The place of each anchor in the gallery."""
        slots = tf.range(labels.shape[0])
        if self.mining == "global":
            slots += current_shard().index * labels.shape[0]
        return slots
