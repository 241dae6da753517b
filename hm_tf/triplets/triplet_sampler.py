"""The five triplet samplers of HM (Zhou and Patel 2022, section 2)."""

import dataclasses
from dataclasses import KW_ONLY
from typing import NamedTuple

import tensorflow as tf

from hm_tf.triplets import SAMPLING_MODES, SYMBOLS
from hm_tf.triplets.distance_weighted import authors_probabilities, negative_probabilities
from hm_tf.triplets.pair_batch import PairBatch
from robust_tf.errors import require_known
from robust_tf.miners.masked_choice import uniform_choice, weighted_choice


class Triplets(NamedTuple):
    """Places in the batch, int32 [m] each.

    `valid`, bool [m], is False where the anchor has no positive or no negative.
    """

    anchor: tf.Tensor
    positive: tf.Tensor
    negative: tf.Tensor
    valid: tf.Tensor


@dataclasses.dataclass(frozen=True)
class TripletSampler:
    """Chooses one triplet per pair of a batch a0, p0, a1, p1, ...; the anchor is a_k.

    random: p_k, any image of another class.
    semihard: p_k, a negative farther than p_k but by less than the margin.
    softhard: a positive farther than the nearest negative, a negative nearer than the farthest
        positive.
    distance: p_k, a negative drawn with the inverse density of its distance (Wu et al. 2017).
    hardest: p_k, the nearest negative.

    All draws but the negatives of "distance" are uniform. Where no candidate fulfils the
    condition it is dropped: any positive, any negative.

    Args:
        name: one of the above.
        margin: margin of semihard.
        mode: "fixed" decides by the labels alone. An anchor is never its own positive. Where p_k is
            of another class, any other image of the anchor's class takes its place. A triplet
            without a positive or a negative is invalid. "compat" reproduces the fallbacks of the
            authors' code. It takes p_k whatever its class and, without a negative, any image of the
            batch; softhard may fall back on the anchor as its own positive.

    Raises:
        ValueError: unknown name or mode.
    """

    name: str
    _: KW_ONLY
    margin: float = 0.2
    mode: str = "fixed"

    def __post_init__(self):
        require_known("sampler", self.name, SYMBOLS)
        require_known("mode", self.mode, SAMPLING_MODES)

    def __call__(self, embeddings, labels, noise):
        """Returns Triplets.

        Args:
            embeddings: float [B, d], normalised; no gradient passes.
            labels: int [B].
            noise: independent uniform draws in [0, 1), [B/2, B, 2]; B/2 is rounded down.
        """
        pairs = PairBatch.of(embeddings, labels)
        positive, has_positive = uniform_choice(self.positives(pairs), noise[:, :, 0])
        # What took the place of a partner of another class is what negatives are compared with.
        pairs = pairs._replace(partner=positive[:, None] == tf.range(tf.shape(labels)[0]))
        probabilities = self.negatives(pairs, embeddings.shape[1])
        negative, has_negative = weighted_choice(probabilities, noise[:, :, 1])
        anchor = 2 * tf.range(tf.shape(positive)[0])
        return Triplets(anchor, positive, negative, has_positive & has_negative)

    def positives(self, pairs):
        """The admissible positives of each anchor, bool [B/2, B]."""
        others = pairs.same & ~pairs.anchor
        if self.name != "softhard":
            if self.mode == "fixed":
                return _first_usable(pairs.partner & pairs.same, others)
            return pairs.partner
        hard = softhard_positives(pairs)
        if self.mode == "fixed":
            return _first_usable(hard, others)
        has_negative = tf.reduce_any(pairs.other, axis=1, keepdims=True)
        return _first_usable(hard, tf.where(has_negative, pairs.same, pairs.partner))

    def negatives(self, pairs, dimension):
        """The probability of each negative of each anchor, float [B/2, B].

        Args:
            pairs: PairBatch.
            dimension: width of the embeddings.
        """
        if self.name == "distance":
            compat = self.mode == "compat"
            probabilities = authors_probabilities if compat else negative_probabilities
            return probabilities(pairs.distance, pairs.other, dimension)
        chosen = {
            "random": lambda: pairs.other,
            "semihard": lambda: semihard_negatives(pairs, self.margin),
            "softhard": lambda: softhard_negatives(pairs),
            "hardest": lambda: hardest_negatives(pairs),
        }[self.name]()
        last = [tf.ones_like(pairs.other)] if self.mode == "compat" else []
        mask = tf.cast(_first_usable(chosen, pairs.other, *last), pairs.distance.dtype)
        return tf.math.divide_no_nan(mask, tf.reduce_sum(mask, axis=1, keepdims=True))


def semihard_negatives(pairs, margin):
    """-margin < H < 0: farther than the partner, by less than the margin. bool [B/2, B]."""
    partner = _highest(pairs.partner, pairs.distance)
    return pairs.other & (partner < pairs.distance) & (partner - pairs.distance + margin > 0.0)


def softhard_positives(pairs):
    """Farther than the nearest negative. bool [B/2, B]; never the anchor, whose distance is 0."""
    return pairs.same & (pairs.distance > -_highest(pairs.other, -pairs.distance))


def softhard_negatives(pairs):
    """Nearer than the farthest image of the anchor's class. bool [B/2, B]."""
    return pairs.other & (pairs.distance < _highest(pairs.same, pairs.distance))


def hardest_negatives(pairs):
    """The nearest negative at a distance above 0, and those tied with it. bool [B/2, B]."""
    candidates = pairs.other & (pairs.distance > 0.0)
    return candidates & (pairs.distance <= -_highest(candidates, -pairs.distance))


def _highest(mask, values):
    """The largest admissible value of each row, [rows, 1]; -inf without one."""
    lowest = tf.constant(-float("inf"), values.dtype)
    return tf.reduce_max(tf.where(mask, values, lowest), axis=1, keepdims=True)


def _first_usable(mask, *fallbacks):
    """Each row of the first mask that has an admissible column there."""
    for fallback in fallbacks:
        mask = tf.where(tf.reduce_any(mask, axis=1, keepdims=True), mask, fallback)
    return mask
