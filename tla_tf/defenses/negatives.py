"""Negative selection (TLA, section 3; TLA-RN; the masked variant of the authors' code)."""

import dataclasses
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf.distances import cosine_matrix
from robust_tf.miners.masked_choice import best_choice, uniform_choice
from robust_tf.settings import check_fields, number
from robust_tf.training.saved_settings import savable
from tla_tf.defenses import require_allowed


def nearest_negative(scores, allowed, mask="neg_inf"):
    """Returns the allowed column that is most similar to each row.

    Args:
        scores: similarities [rows, columns].
        allowed: bool [rows, columns], columns of another class.
        mask: "neg_inf" takes no other column. "zero" multiplies the score of others by 0 as the
            authors do: such a column wins where all scores are negative, a wrong label.

    Returns:
        index int32 [rows], valid bool [rows].
    """
    if mask == "neg_inf":
        return best_choice(allowed, scores)
    return best_choice(tf.ones_like(allowed), scores * tf.cast(allowed, scores.dtype))


def keep_mask(noise, keep, own_slot):
    """Bernoulli(keep) by uniform `noise` [rows, columns]; column `own_slot` [rows] always stays."""
    return (noise < keep) | _own(noise, own_slot)


@savable
@dataclasses.dataclass(frozen=True)
class NegativeSelection:
    """Chooses a negative for every anchor.

    Args:
        selection: "nearest" in angular distance; "random" (TLA-RN); "masked", the nearest in a
            random subset of the candidates.
        similarity: "abs" is the paper's angular distance; "signed" the cosine of the authors' code.
        mask: see `nearest_negative`.
        keep: share of candidates that "masked" keeps per anchor, in [0, 1].
        class_check: False lets "random" take a candidate of any class, as the authors do. The
            candidate in the anchor's own slot stays out: in a batch this is the anchor itself.

    Raises:
        ValueError: an unknown selection, similarity or mask, a share outside [0, 1].
    """

    selection: str = "nearest"
    _: KW_ONLY
    similarity: str = "abs"
    mask: str = "neg_inf"
    keep: float = 0.5
    class_check: bool = True

    def __post_init__(self):
        require_allowed(vars(self))
        check_fields(self)
        number("keep", self.keep, highest=1.0)

    def __call__(self, keys, labels, candidates, candidate_labels, *, noise, own_slot):
        """Returns (index int32 [rows], valid bool [rows]) into the candidates.

        Args:
            keys: embeddings of the anchors [rows, width].
            labels: int [rows].
            candidates: embeddings [columns, width].
            candidate_labels: int [columns].
            noise: uniform draws [rows, columns].
            own_slot: int [rows], the candidate in the anchor's own slot.
        """
        other_class = labels[:, None] != candidate_labels[None, :]
        if self.selection == "random":
            allowed = other_class if self.class_check else ~_own(noise, own_slot)
            return uniform_choice(allowed, noise)
        scores = cosine_matrix(keys, candidates)
        if self.similarity == "abs":
            scores = tf.abs(scores)
        if self.selection == "masked":
            other_class &= keep_mask(noise, self.keep, own_slot)
        return nearest_negative(scores, other_class, self.mask)


def _own(noise, own_slot):
    """bool as `noise` [rows, columns], true in the column of each row's own slot."""
    return tf.range(tf.shape(noise)[1])[None, :] == own_slot[:, None]
