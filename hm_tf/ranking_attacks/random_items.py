"""Random choices of items."""

from typing import ClassVar

import tensorflow as tf

from hm_tf.ranking_attacks.neighbours import nearest_items
from hm_tf.ranking_attacks.own_item import own_item
from hm_tf.ranking_attacks.ranking_attack import RankingAttack
from robust_tf import randomness

# Of the gallery, among the nearest of which CA- and QA- draw (HM, authors' code).
NEAR_SHARE = 0.01
# With fewer items in the gallery this share is none; one is taken.
FEWEST_FOR_SHARE = round(1 / NEAR_SHARE)


class SignedAttack(RankingAttack):
    """Raises (sign 1) or lowers (sign -1) a rank: of any item, or of one of the nearest 1 %."""

    measures = ("rank",)
    sign: ClassVar[float | None] = None

    def select(self, gallery, rows, key):
        if self.sign > 0:
            return (any_item(gallery, rows, key),)
        return (near_item(gallery, rows, key, self.mode),)


def any_item(gallery, rows, key):
    """One item of the whole gallery, uniformly and with replacement, for each of `rows`: int32 [b].

    Args:
        gallery: `Gallery`.
        rows: int32 [b].
        key: int32 [2].
    """
    return _below(gallery.size, gallery, rows, key)


def near_item(gallery, rows, key, mode):
    """One of the K = floor(0.01 n) items nearest to each of `rows`, at least one: int32 [b].

    Args:
        gallery, rows, key: See `any_item`.
        mode: Mode of `own_item`, whose item is left out.
    """
    count = near_count(gallery.size)
    own = own_item(gallery, rows, mode)
    near = nearest_items(gallery, gallery.vectors(rows), own[:, None], count)
    return tf.gather(near, _below(count, gallery, rows, key), batch_dims=1)


def near_count(size):
    """K for a gallery of `size` items."""
    # In whole numbers: 0.01 * 8100 is not 81 in floating point for every size.
    return max(1, size * round(100 * NEAR_SHARE) // 100)


def _below(count, gallery, rows, key):
    # Drawn for all items, so that an item's number does not depend on its batch.
    draws = randomness.uniform([gallery.size], key, dtype=tf.float64)
    return tf.cast(tf.floor(count * tf.gather(draws, rows)), tf.int32)
