"""The random changes that Square tries (Andriushchenko et al. 2020, algorithms 2 and 3)."""

import numpy as np
import tensorflow as tf

from robust_tf import randomness


def pyramid(height: int, width: int) -> np.ndarray:
    """Returns float [height, width]: squares stacked on the centre, the m-th weighing 1/m^2."""
    rows, columns = np.abs(np.arange(height) - height // 2), np.abs(np.arange(width) - width // 2)
    ring = np.maximum.outer(rows, columns)
    weights = 1.0 / np.arange(1, max(height, width) // 2 + 2) ** 2
    return np.cumsum(weights[::-1])[::-1][ring]


def double_pyramid(side: int) -> np.ndarray:
    """Returns float [side, side] of L2 norm 1: a pyramid in the upper half, minus one below.

    The authors' code divides each half by its own norm first.
    """
    halves = (pyramid(side // 2, side), -pyramid(side - side // 2, side))
    pattern = np.concatenate(halves if side > 1 else halves[1:])
    return pattern / np.linalg.norm(pattern)


class _Window:
    """A square of `side` pixels at a place given by u, float [batch, 2] in [0, 1).

    `rows` [batch, height] and `columns` [batch, width] count from its corner; `inside` is bool
    [batch, height, width, 1].
    """

    def __init__(self, u, side, height, width):
        self.rows, self.columns = (
            tf.range(length) - self._corner(u[:, axis : axis + 1], length - side)
            for axis, length in enumerate((height, width))
        )
        within_rows, within_columns = (
            (offset >= 0) & (offset < side) for offset in (self.rows, self.columns)
        )
        self.inside = (within_rows[:, :, None] & within_columns[:, None, :])[..., None]

    @staticmethod
    def _corner(u, last):
        # Rounding may bring u * (last + 1) up to last + 1.
        return tf.minimum(tf.cast(u * tf.cast(last + 1, u.dtype), tf.int32), last)


def _draw(x, count, key, shard):
    return randomness.uniform([randomness.shape_of(x)[0], count], key, shard, x.dtype)


def _signs(u):
    return tf.where(u < 0.5, -1.0, 1.0)[:, None, None, :]


class LinfProposals:
    """Vertical stripes of +-eps to start with, then squares of +-eps, one sign a channel.

    Args:
        threat_model: `ThreatModel`.
        areas: list of float, the share of the image under a square, one for each level.
        shape: (height, width, channels).
    """

    def __init__(self, threat_model, areas, shape):
        height, width, self.channels = shape
        self.threat_model, self.height, self.width = threat_model, height, width
        largest = min(height, width)
        sides = [round((area * height * width) ** 0.5) for area in areas]
        self.sides = tf.constant([min(max(side, 1), largest) for side in sides])

    def start(self, x, key, shard):
        """Returns the first image to try."""
        u = _draw(x, self.width * self.channels, key, shard)
        stripes = tf.reshape(_signs(u), [-1, 1, self.width, self.channels])
        return self.threat_model.project(x + tf.cast(stripes, x.dtype) * self.threat_model.eps, x)

    def propose(self, x, best, level, key, shard):
        """Returns `best` with a square of another perturbation; its size depends on the level."""
        u = _draw(x, 2 + self.channels, key, shard)
        window = _Window(u, self.sides[level], self.height, self.width)
        signs = tf.cast(_signs(u[:, 2:]), x.dtype)
        changed = self.threat_model.project(x + self.threat_model.eps * signs, x)
        return tf.where(window.inside, changed, best)


class L2Proposals:
    """A grid of double pyramids to start with; then the budget of one window moves to another.

    Has the arguments and methods of `LinfProposals`.
    """

    def __init__(self, threat_model, areas, shape):
        self.threat_model = threat_model
        self.height, self.width, self.channels = shape
        largest = (min(self.height, self.width) - 1) // 2 * 2 + 1  # all sides are odd
        sides = [max(round((area * self.height * self.width) ** 0.5), 3) for area in areas]
        self.sides = [min(side // 2 * 2 + 1, largest) for side in sides]
        widest = max(self.sides)
        patterns = [np.pad(double_pyramid(s), (0, widest - s)) for s in self.sides]
        self.patterns = np.stack(patterns)

    def start(self, x, key, shard):
        """Returns the first image to try."""
        side = max(min(self.height, self.width) // 5, 1)
        rows, columns = self.height // side, self.width // side
        u = _draw(x, rows * columns * (self.channels + 1), key, shard)
        u = tf.reshape(u, [-1, rows, columns, self.channels + 1])
        u = tf.repeat(tf.repeat(u, side, axis=1), side, axis=2)
        tile = double_pyramid(side)
        upright, lying = (
            tf.constant(np.tile(t, (rows, columns))[..., None], x.dtype) for t in (tile, tile.T)
        )
        grid = tf.where(u[..., :1] < 0.5, upright, lying)
        grid *= tf.where(u[..., 1:] < 0.5, tf.constant(-1.0, x.dtype), 1.0)
        margins = [n % side for n in (self.height, self.width)]
        grid = tf.pad(grid, [[0, 0], *([m // 2, m - m // 2] for m in margins), [0, 0]])
        return self._at_full_size(x, grid)

    def propose(self, x, best, level, key, shard):
        """Returns `best` with the perturbation of two windows gathered in one, as a pyramid."""
        u = _draw(x, 5 + self.channels, key, shard)
        side = tf.constant(self.sides)[level]
        into = _Window(u[:, :2], side, self.height, self.width)
        out_of = _Window(u[:, 2:4], side, self.height, self.width)
        change = best - x
        zero = tf.zeros_like(x)
        old = tf.where(into.inside, change, zero)
        signs = tf.cast(_signs(u[:, 5:]), x.dtype)
        fresh = signs * self._pattern(into, level, u[:, 4] < 0.5, x.dtype)
        fresh += tf.math.divide_no_nan(old, _size(old, (1, 2)))
        # What eps leaves over is shared by the channels.
        unused = tf.maximum(self.threat_model.eps**2 - _size(change, (1, 2, 3)) ** 2, 0.0)
        both = tf.where(into.inside | out_of.inside, change, zero)
        budget = tf.sqrt(_size(both, (1, 2)) ** 2 + unused / self.channels)
        fresh = tf.math.divide_no_nan(fresh, _size(fresh, (1, 2))) * budget
        return self._at_full_size(x, tf.where(into.inside, fresh, change - both))

    def _pattern(self, window, level, lying, dtype):
        pattern = tf.constant(self.patterns, dtype)[level]
        last = self.patterns.shape[1] - 1
        rows, columns = (tf.clip_by_value(i, 0, last) for i in (window.rows, window.columns))
        upright, turned = (
            tf.gather(tf.gather(p, rows), columns, axis=2, batch_dims=1)
            for p in (pattern, tf.transpose(pattern))
        )
        chosen = tf.where(lying[:, None, None], turned, upright)[..., None]
        return tf.where(window.inside, chosen, tf.zeros_like(chosen))

    def _at_full_size(self, x, change):
        unit = tf.math.divide_no_nan(change, _size(change, (1, 2, 3)))
        return self.threat_model.project(x + self.threat_model.eps * unit, x)


def _size(x, axes):
    return tf.sqrt(tf.reduce_sum(tf.square(x), axis=axes, keepdims=True))
