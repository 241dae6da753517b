"""MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and SVHN, read through TensorFlow Datasets."""

import numpy as np

from robust_tf.data import tfds_copies
from robust_tf.data.augment import Augment
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError

# Sizes of the downloads: TFDS's checksum files. Without a prepared copy TFDS knows no split sizes.
MNIST = DatasetInfo(
    name="mnist",
    image_shape=(28, 28, 1),
    class_names=tuple("0123456789"),
    splits={"train": 55000, "validation": 5000, "test": 10000},
    source="https://storage.googleapis.com/cvdf-datasets/mnist/",
    download_mb=11.6,
)
FASHION_MNIST = DatasetInfo(
    name="fashion_mnist",
    image_shape=(28, 28, 1),
    class_names=tuple(
        "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
    ),
    splits={"train": 60000, "test": 10000},
    source="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    download_mb=30.9,
)
CIFAR10 = DatasetInfo(
    name="cifar10",
    image_shape=(32, 32, 3),
    class_names=tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
    splits={"train": 50000, "test": 10000},
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    download_mb=162.0,
    # Two pixels on each side, as in the authors' code; four are usual elsewhere.
    augment=Augment(pad=2, flip=True),
    standardize=True,
)
# The fine labels.
_CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = DatasetInfo(
    name="cifar100",
    image_shape=(32, 32, 3),
    class_names=tuple(_CIFAR100_NAMES.split()),
    splits={"train": 50000, "test": 10000},
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    download_mb=168.5,
    augment=Augment(pad=2, flip=True),
    standardize=True,
)
# House numbers: no flips. TFDS downloads the 531,131 extra images, too; they are not used.
SVHN = DatasetInfo(
    name="svhn_cropped",
    image_shape=(32, 32, 3),
    class_names=tuple("0123456789"),
    splits={"train": 73257, "test": 26032},
    source="http://ufldl.stanford.edu/housenumbers/",
    download_mb=1575.6,
    standardize=True,
)


def locate(info, data_dir):
    """Returns the folder of the newest prepared version below `data_dir`, None if there is none.

    Args:
        info: DatasetInfo.
        data_dir: TFDS data folder; None means TFDS_DATA_DIR or ~/tensorflow_datasets.

    Raises:
        UserError: `data_dir` was given and does not exist.
    """
    if data_dir is not None and not tfds_copies.root(data_dir).is_dir():
        raise UserError(f"--data_dir={data_dir} is not a folder; pass a TFDS data folder.")
    return tfds_copies.locate(info.name, data_dir)


def reach(info, data_dir):
    """Raises UserError if the place of the download does not answer."""
    tfds_copies.require_network(info.name, info.source, data_dir)


def read(info, split, data_dir, limit):
    """Returns the Examples of a split in the order of the files, downloading them if need be.

    A validation set is the first part of TFDS's train split in reading order. Of MNIST's 60,000
    images the first 5,000 are the validation set, the other 55,000 are train. The TLA authors use
    the same sizes but other 5,000 images, because TFDS does not keep the order of the original
    files. A reduced copy is cut in the same proportion.

    Raises:
        UserError: no such folder, no network, or no such split in the copy.
        RunError: the download or the copy is broken.
    """
    if locate(info, data_dir) is None:
        reach(info, data_dir)
    with tfds_copies.one_line_errors(info.name, data_dir):
        builder = tfds_copies.builder(info.name, data_dir)
        start, stop = _rows(info, split, builder.info.splits)
        if limit is not None:
            stop = min(stop, start + limit)
        images = np.empty((stop - start, *info.image_shape), np.uint8)
        labels = np.empty(stop - start, np.int32)
        done, rows = 0, f"{_tfds_split(split)}[{start}:{stop}]"
        for batch in tfds_copies.in_order(builder, rows, batch_size=1000):
            chunk = slice(done, done + len(batch["label"]))
            images[chunk], labels[chunk] = batch["image"], batch["label"]
            done = chunk.stop
        return Examples(images, labels)


def _tfds_split(split):
    return "test" if split == "test" else "train"


def _rows(info, split, found):
    """Returns the first and the last + 1 row of `split` in its TFDS split of the copy."""
    if _tfds_split(split) not in found:
        raise UserError(
            f"The copy of {info.name} has no split {_tfds_split(split)!r}, only {sorted(found)}."
        )
    available = found[_tfds_split(split)].num_examples
    held_out, train = info.splits.get("validation", 0), info.splits["train"]
    border = available * held_out // (held_out + train)
    start, stop = {
        "train": (border, available),
        "validation": (0, border),
        "test": (0, available),
    }[split]
    info.warn_if_reduced(split, stop - start)
    return start, stop
