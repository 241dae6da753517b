"""Stateless random draws, keyed by seed, step and purpose.

A draw depends on its key alone, so a resumed run repeats it. Under data parallelism it is made
for the global batch and each replica takes its rows: one replica and many see the same numbers.
"""

import zlib
from typing import NamedTuple

import tensorflow as tf


class Shard(NamedTuple):
    """This batch is slice `index` of `count` equal slices of the global batch."""

    index: int = 0
    count: int = 1


def key(seed, step, purpose):
    """Returns the int32 key [2] of one draw.

    Args:
        seed: int, the seed of the run.
        step: int or integer scalar tensor, e.g. the number of the update.
        purpose: str, what the numbers are for; draws with other purposes are independent.
    """
    stream = zlib.crc32(f"{seed}/{purpose}".encode()) & 0x7FFFFFFF
    return tf.stack([tf.constant(stream, tf.int32), tf.cast(step, tf.int32)])


def uniform(shape, key, shard=Shard(), dtype=tf.float32):
    """Uniform numbers in [0, 1) of `shape`: the shard's rows of the draw for the global batch."""
    return _rows(tf.random.stateless_uniform, shape, key, shard, dtype)


def normal(shape, key, shard=Shard(), dtype=tf.float32):
    """Standard normal numbers of `shape`: the shard's rows of the draw for the global batch."""
    return _rows(tf.random.stateless_normal, shape, key, shard, dtype)


def _rows(draw, shape, key, shard, dtype):
    rows = shape[0]
    everything = draw([rows * shard.count, *shape[1:]], seed=key, dtype=dtype)
    return everything[shard.index * rows : (shard.index + 1) * rows]
