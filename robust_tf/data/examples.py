"""Labelled images in memory, decoded or as the bytes of their files."""

import dataclasses
import math

import numpy as np

from robust_tf.data.augment import ResizedCrop

# Above this many bytes of pixels a reader keeps the image files' bytes and the pipeline decodes.
MAX_DECODED_BYTES = 2**30


def keeps_encoded(count, image_shape):
    """Returns whether `count` images of `image_shape` are too large to be held decoded."""
    return count * math.prod(image_shape) > MAX_DECODED_BYTES


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Images with their labels.

    Attributes:
        images: uint8 array [n, h, w, c], or object array [n] of encoded image files (JPEG, PNG).
        labels: int32 array [n].
        encoded_shape: (h, w, c) of the decoded images if they are encoded, else None.
        crop: the window that a network sees of each image; None if it sees all of it.
    """

    images: np.ndarray
    labels: np.ndarray
    encoded_shape: tuple | None = None
    crop: ResizedCrop | None = None

    def __post_init__(self):
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images but {len(self.labels)} labels.")

    def __len__(self):
        return len(self.labels)

    @property
    def image_shape(self):
        """(h, w, c) of one image as a network sees it."""
        shape = self.encoded_shape or self.images.shape[1:]
        return shape if self.crop is None else (self.crop.size, self.crop.size, shape[-1])

    def take(self, count):
        """Returns the first `count` examples."""
        return self.rows(slice(count))

    def rows(self, rows):
        """Returns the examples of a slice, of a bool array [n] or of indices."""
        return dataclasses.replace(self, images=self.images[rows], labels=self.labels[rows])

    def parted(self, rows):
        """Returns (the examples without `rows`, int [k]; those rows), both in their order here."""
        kept = np.ones(len(self), bool)
        kept[rows] = False
        return self.rows(kept), self.rows(~kept)
