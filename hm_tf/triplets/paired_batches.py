"""Batches of pairs for a plain `fit`."""

from typing import Any

import keras
import numpy as np

from robust_tf.errors import UserError, whole_number
from robust_tf.training.batch import refuse_names


class PairedBatches(keras.utils.PyDataset):
    """Batches of arrays in the order a0, p0, a1, p1, ...: every image with another of its class.

    Each image is an anchor once per epoch, in a new order. Its partner is another image of its
    class, drawn uniformly. An image that is alone in its class is left out. The first anchors of an
    epoch complete its last batch.

    Args:
        x: images in [0, 1], [n, h, w, c].
        y: labels, integers [n] or [n, 1], or one-hot [n, classes].
        batch_size: images of a batch, two per pair.
        seed: seed of orders and partners, >= 0.
        kwargs: arguments of `keras.utils.PyDataset`, such as workers.

    Raises:
        UserError: an odd batch size, other numbers of images and labels, no class with two images.
        ValueError: a batch size that is no whole number, or a seed that is none >= 0.
    """

    def __init__(
        self, x: Any, y: Any, batch_size: int = 112, *, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        batch_size = whole_number("batch_size", batch_size)
        if batch_size < 2 or batch_size % 2:
            raise UserError(f"batch_size={batch_size}: a batch of pairs has an even number")
        if len(x) != len(y):
            raise UserError(f"{len(x)} images and {len(y)} labels; each image needs its label")
        self.x, self.y = np.asarray(x), np.asarray(y)
        refuse_names(self.y)
        self.batch_size = batch_size
        self.seed = whole_number("seed", seed, lowest=0)
        self._epoch = 0
        one_hot = self.y.ndim == 2 and self.y.shape[1] > 1
        labels = self.y.argmax(1) if one_hot else self.y.reshape(-1)
        # Class c has the images order[first[c] : first[c] + count[c]].
        self._order = np.argsort(labels, kind="stable")
        _, self._class, self._count = np.unique(labels, return_inverse=True, return_counts=True)
        self._first = np.cumsum(self._count) - self._count
        self._place = np.argsort(self._order)
        self._anchors = np.flatnonzero(self._count[self._class] > 1)
        if not len(self._anchors):
            raise UserError("no class has two images; pairs need some")

    def __len__(self) -> int:
        return -(-2 * len(self._anchors) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (images, labels) of batch `index`."""
        pairs = self.batch_size // 2
        order = np.random.default_rng([self.seed, self._epoch]).permutation(self._anchors)
        anchors = order.take(np.arange(index * pairs, (index + 1) * pairs), mode="wrap")
        rng = np.random.default_rng([self.seed, self._epoch, index + 1])
        rows = np.stack([anchors, self._partners(anchors, rng)], axis=1).reshape(-1)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def _partners(self, anchors, rng):
        """Another image of each anchor's class."""
        of_class = self._class[anchors]
        first, count = self._first[of_class], self._count[of_class]
        steps = rng.integers(1, count)
        # Places within the class, counted from the anchor's own, so that it is never met.
        return self._order[first + (self._place[anchors] - first + steps) % count]
