"""What is known of a data set before anything is read."""

import dataclasses

from absl import logging

from robust_tf.data.augment import Augment, ResizedCrop


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """Facts of one data set.

    Attributes:
        name: as given to --dataset.
        image_shape: (h, w, c).
        class_names: one name per label.
        splits: split name -> official number of images.
        source: where the images come from; the address a download starts at, if there is one.
        download_mb: approximate size of the download in MB, 0 if the images come with a package.
        augment: the augmentation of training images.
        standardize: whether per-image standardisation is the model's first layer.
        class_disjoint: whether train and test have no class in common (metric learning).
        on_bad_image: "fail" or "skip", what a reader of files does about those that it cannot
            decode.
    """

    name: str
    image_shape: tuple
    class_names: tuple
    splits: dict
    source: str
    download_mb: float = 0.0
    augment: Augment | ResizedCrop = Augment()
    standardize: bool = False
    class_disjoint: bool = False
    on_bad_image: str = "fail"

    @property
    def num_classes(self):
        """The number of classes."""
        return len(self.class_names)

    @property
    def identity(self):
        """dict that tells these images from others of the same name; None where the name does."""
        return None

    def warn_if_reduced(self, split, count, more=""):
        """Logs one line if a copy on disk has another number of images than the official one.

        Args:
            split: a key of `splits`.
            count: images of the split in the copy.
            more: what else there is to say then.
        """
        if count != self.splits[split]:
            logging.warning(
                "%s %s: this copy has %d images, the official one %d.%s",
                self.name,
                split,
                count,
                self.splits[split],
                more,
            )
