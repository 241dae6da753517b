"""The facts of a data set before anything is read, and the settings of sets of image files."""

import dataclasses

from absl import logging

from robust_tf.data.augment import Augment, ResizedCrop

# A photo of 100 megapixels takes 300 MB decoded.
MAX_PIXELS = 100_000_000


@dataclasses.dataclass(frozen=True)
class FileSettings:
    """How a data set of image files is read.

    Attributes:
        image_size: side in pixels of the images that a network sees; None means 64 for "folder",
            224 for "cub200", "cars196" and "sop".
        on_bad_image: "fail" or "skip", for files that cannot be read.
        max_pixels: int; files that announce more pixels cannot be read.
        class_names: for "folder", path of a file with one class name per line, in the order of the
            labels. None means the order of the names as text.
        grayscale: whether images have one channel, for "folder".
    """

    image_size: int | None = None
    on_bad_image: str = "fail"
    max_pixels: int = MAX_PIXELS
    class_names: str | None = None
    grayscale: bool = False


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
        settings: `FileSettings`, of data sets of image files.
        notices: lines on what a user may not expect of the data.
        shift: how the test images differ from the training images, "" where it is not known.
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
    settings: FileSettings = FileSettings()
    notices: tuple = ()
    shift: str = ""

    @property
    def num_classes(self):
        """The number of classes."""
        return len(self.class_names)

    @property
    def identity(self):
        """A dict that differs for other images of the same name; None where the name suffices."""
        return None

    def labels_of(self, split, limit):
        """Returns the set of labels that a split has before its images are read, if known."""
        del split, limit
        return set()

    def of_labels(self, labels, limit):
        """Returns the facts of a part, where it can be read alone; see `Dataset.of_labels`."""
        del labels, limit
        return self

    def warn_if_reduced(self, split, count, more=""):
        """Logs one line if a copy on disk has another number of images than the official one.

        Args:
            split: a key of `splits`.
            count: images of the split in the copy.
            more: text that follows in the line.
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
