"""Photos of a copy by TensorFlow Datasets, as the bytes of their files."""

from robust_tf.data import tfds_copies
from robust_tf.progress_bar import watched


class TfdsPhotos:
    """The encoded images of some splits of a copy, by names.

    Args:
        name: Name of the data set in TFDS.
        data_dir: see `tfds_copies.root`; downloads where there is no copy.
        splits: names of TFDS splits; None means all.
        label: feature with the label.
        naming: function (split, position, other features) -> name of the image.
        features: the other features that `naming` needs.

    Raises:
        RunError: a broken download or copy; so do the methods.
    """

    def __init__(self, name, data_dir, splits, label, naming, features=()):
        self._errors = lambda: tfds_copies.one_line_errors(name, data_dir)
        with self._errors():
            self._builder = tfds_copies.builder(name, data_dir)
            self._splits = splits or sorted(self._builder.info.splits)
        self._label, self._naming, self._features = label, naming, features

    def rows(self):
        """Returns [(name, label)] in reading order; opens no image."""
        with self._errors():
            elements = self._elements(self._label)
            return [(name, int(element[self._label])) for name, element in elements]

    def files(self, names):
        """Returns {name: bytes} of those `names` that exist."""
        wanted = set(names)
        with self._errors():
            return {name: row["image"] for name, row in self._elements("image") if name in wanted}

    def _elements(self, feature):
        import tensorflow_datasets as tfds  # slow to import

        plain = {"image": tfds.decode.SkipDecoding()} if feature == "image" else {}
        wanted = dict.fromkeys((feature, *self._features), True)
        decoders = tfds.decode.PartialDecoding(wanted, decoders=plain)
        for split in self._splits:
            found = tfds_copies.in_order(self._builder, split, decoders=decoders)
            count = self._builder.info.splits[split].num_examples
            for position, element in enumerate(watched(found, count, f"reading {split}")):
                yield self._naming(split, position, element), element
