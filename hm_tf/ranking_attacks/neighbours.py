"""Nearest, farthest and nearer items of a gallery; without gradient, ties to the lower index."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Search(NamedTuple):
    """The nearest item, or the farthest, among some.

    Attributes:
        among: `Block` -> bool [b, block], which items are meant; None means all.
        farthest: takes the farthest instead.
    """

    among: Callable | None = None
    farthest: bool = False


def nearest(gallery, queries, left_out, among=None):
    """The nearest of the items that count; as `find` with one search."""
    return find(gallery, queries, left_out, Search(among))[0]


def find(gallery, queries, left_out, *searches):
    """What several searches find in one walk through the gallery.

    Args:
        gallery, queries, left_out: See `Gallery.fold`.
        *searches: `Search`.

    Returns:
        For each search int32 [b], the item, and bool [b], False where no item counts (the item is
        0 there).
    """
    infinite = tf.fill(queries.shape[:1], tf.constant(float("inf"), queries.dtype))
    start = (infinite, tf.zeros(queries.shape[:1], tf.int32))

    def step(state, block):
        return tuple(_better(*pair, block) for pair in zip(searches, state))

    found = gallery.fold(queries, left_out, step, (start,) * len(searches))
    return tuple((item, best < float("inf")) for best, item in found)


def nearest_items(gallery, queries, left_out, count):
    """The `count` nearest of the items that count, nearest first: int32 [b, count]."""
    rows = queries.shape[0]
    infinite = tf.fill([rows, count], tf.constant(float("inf"), queries.dtype))

    def step(state, block):
        distances = tf.where(block.counts, block.distances, float("inf"))
        items = tf.broadcast_to(block.items, distances.shape)
        distances = tf.concat([state[0], distances], axis=1)
        best = tf.math.top_k(-distances, count)
        items = tf.gather(tf.concat([state[1], items], axis=1), best.indices, batch_dims=1)
        return -best.values, items

    return gallery.fold(queries, left_out, step, (infinite, tf.zeros([rows, count], tf.int32)))[1]


def count_nearer(gallery, queries, left_out, limit, or_equal=False):
    """How many items that count are nearer to the query than `limit`: float [b] to int32 [b].

    Args:
        gallery, queries, left_out: See `Gallery.fold`.
        limit: float [b].
        or_equal: counts also items exactly as far.
    """
    compare = tf.less_equal if or_equal else tf.less

    def step(count, block):
        nearer = block.counts & compare(block.distances, limit[:, None])
        return count + tf.reduce_sum(tf.cast(nearer, tf.int32), axis=1)

    return gallery.fold(queries, left_out, step, tf.zeros(queries.shape[:1], tf.int32))


def _better(search, state, block):
    """(signed distance, item): of the state or of the best item of the block."""
    best, item = state
    counts = block.counts if search.among is None else block.counts & search.among(block)
    signed = -block.distances if search.farthest else block.distances
    signed = tf.where(counts, signed, float("inf"))
    place = tf.argmin(signed, axis=1, output_type=tf.int32)
    value = tf.gather(signed, place, batch_dims=1)
    better = value < best
    return tf.where(better, value, best), tf.where(better, block.items[0] + place, item)
