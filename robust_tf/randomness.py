"""Stateless random draws, keyed by seed, purpose, and the update or the image they are for.

A draw depends on its key alone, so a resumed run repeats it. There are two kinds of key:

* int32 [2], see `key`, for training: one draw for the global batch. Under data parallelism each
  replica takes its rows, so one replica and many see the same numbers.
* int32 [n, 2], see `image_keys`, for evaluation: one key per image. The numbers of an image then
  depend neither on the batch size nor on the order of the images nor on the replicas.
"""

import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from robust_tf.errors import whole_number

# SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), as
# signed numbers: TensorFlow's int64 runs on every device and wraps around.
GAMMA = 0x9E3779B97F4A7C15 - 2**64
MULTIPLIERS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
# Bits of a random number in [0, 1): more would round up to 1.
PRECISION = {tf.float16: 11, tf.bfloat16: 8, tf.float32: 24, tf.float64: 53}


class Shard(NamedTuple):
    """This batch is slice `index` of `count` equal slices of the global batch."""

    index: int | tf.Tensor = 0  # type: ignore[assignment]
    count: int = 1  # type: ignore[assignment]


def key(seed: int, step: int | tf.Tensor, purpose: str) -> tf.Tensor:
    """Returns the int32 key [2] of one draw.

    Args:
        seed: seed of the run.
        step: number of the update, an int or an integer scalar tensor.
        purpose: name of what the numbers are for; draws with other purposes are independent.
    """
    return tf.stack([_stream(seed, purpose), tf.cast(step, tf.int32)])


def image_keys(seed: int, purpose: str, indices: tf.Tensor) -> tf.Tensor:
    """Returns the int32 keys [n, 2] of one draw per image.

    Args:
        seed: seed of the run.
        purpose: name of what the numbers are for; draws with other purposes are independent.
        indices: int [n], the positions of the images in their data set.
    """
    indices = tf.cast(indices, tf.int32)
    return tf.stack([tf.fill(tf.shape(indices), _stream(seed, purpose)), indices], axis=1)


def fold_in(key: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """Returns a key, or one per image, for run `number` (int >= 0): independent of all others."""
    if len(key.shape) == 1:
        return tf.random.experimental.stateless_fold_in(key, number, alg="philox")
    return tf.bitcast(_bits(key, tf.reshape(tf.cast(number, tf.int64), [1])), tf.int32)[:, 0]


def uniform(
    shape: Sequence[int | tf.Tensor],
    key: tf.Tensor,
    shard: Shard = Shard(),
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """Returns uniform numbers in [0, 1).

    Args:
        shape: sizes of the result, the batch first; see `shape_of` for a batch of unknown size.
        key: int32 [2]: the shard's rows of the draw for the global batch. int32 [n, 2], n the size
            of the batch: row i follows from key i alone, and the shard does not matter.
        shard: which slice of the global batch this is.
        dtype: float type of the numbers.
    """
    if len(key.shape) == 1:
        return _shard_rows(_uniform, shape, key, shard, dtype)
    bits = _bits(key, tf.range(math.prod(shape[1:]), dtype=tf.int64))
    precision = PRECISION[tf.as_dtype(dtype)]
    numbers = tf.cast(_shift(bits, 64 - precision), dtype) * tf.cast(2.0**-precision, dtype)
    return tf.reshape(numbers, shape)


def normal(
    shape: Sequence[int | tf.Tensor],
    key: tf.Tensor,
    shard: Shard = Shard(),
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """Returns standard normal numbers; takes the arguments of `uniform`."""
    if len(key.shape) == 1:
        return _shard_rows(_normal, shape, key, shard, dtype)
    u = uniform([*shape, 2], key, shard, dtype)
    return _box_muller(1.0 - u[..., 0], u[..., 1])[1]


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """Returns the sizes of `x`, [batch, ...]; a scalar tensor for a batch size unknown so far."""
    batch, *sizes = x.shape
    return [tf.shape(x)[0] if batch is None else batch, *sizes]


def _stream(seed, purpose):
    seed = whole_number("seed", seed)
    return tf.constant(zlib.crc32(f"{seed}/{purpose}".encode()) & 0x7FFFFFFF, tf.int32)


def _shard_rows(draw, shape, key, shard, dtype):
    rows = shape[0]
    everything = draw([rows * shard.count, *shape[1:]], key, dtype)
    return everything[shard.index * rows : (shard.index + 1) * rows]


def _uniform(shape, key, dtype):
    """`tf.random.stateless_uniform`, with the same float32 numbers under XLA.

    TensorFlow and XLA draw the same bits, and turn them into other floats.
    """
    if dtype != tf.float32:
        return tf.random.stateless_uniform(shape, key, dtype=dtype)
    bits = tf.random.stateless_uniform(shape, key, None, None, tf.uint32, alg="philox")
    mantissa = tf.bitwise.bitwise_and(bits, tf.constant(2**23 - 1, tf.uint32))
    one = tf.constant(0x3F800000, tf.uint32)  # the bits of 1.0
    return tf.bitcast(tf.bitwise.bitwise_or(one, mantissa), tf.float32) - 1.0


def _normal(shape, key, dtype):
    """`tf.random.stateless_normal` up to rounding; under XLA, too, but not in float64."""
    count = math.prod(shape)
    # In 16 bits many u would be 0, and their numbers the largest.
    drawn = tf.float64 if dtype == tf.float64 else tf.float32
    u = tf.reshape(_uniform([count + count % 2], key, drawn), [-1, 2])
    pairs = _box_muller(tf.maximum(u[:, 0], 1e-7), u[:, 1])  # TensorFlow's bound
    return tf.cast(tf.reshape(tf.reshape(tf.stack(pairs, 1), [-1])[:count], shape), dtype)


def _box_muller(u, v):
    """Two normal numbers from two uniform ones, u above 0 (Box and Muller 1958)."""
    radius, angle = tf.sqrt(-2.0 * tf.math.log(u)), 2.0 * math.pi * v
    return radius * tf.sin(angle), radius * tf.cos(angle)


def _bits(keys, counters):
    """64 random bits per key and counter: int32 [n, 2] and int64 [m] to int64 [n, m]."""
    states = _mix(tf.bitcast(keys, tf.int64))
    return _mix(states[:, None] + GAMMA * (counters + 1))


def _mix(bits):
    for shift, multiplier in zip((30, 27), MULTIPLIERS):
        bits = tf.bitwise.bitwise_xor(bits, _shift(bits, shift)) * multiplier
    return tf.bitwise.bitwise_xor(bits, _shift(bits, 31))


def _shift(bits, count):
    # TensorFlow's shift of signed numbers repeats the sign; the mask takes it away again.
    shifted = tf.bitwise.right_shift(bits, tf.constant(count, tf.int64))
    return tf.bitwise.bitwise_and(shifted, tf.constant(2 ** (64 - count) - 1, tf.int64))
