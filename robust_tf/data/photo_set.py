"""Photos of different sizes for metric learning: the shared reader of CUB, Cars and SOP."""

import numpy as np

from robust_tf.data.augment import ResizedCrop
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.displayed import require_size
from robust_tf.data.examples import Examples
from robust_tf.data.image_files import decoded, read_all
from robust_tf.data.text_lines import first_of
from robust_tf.errors import UserError

SIDE = 224


def facts(name, classes, splits, source, settings, download_mb=0.0):
    """Returns the `DatasetInfo` of a class-disjoint set of photos.

    Args:
        name: Value of --dataset.
        classes: Number of classes of train and test together. Their names are 1, 2, ...
        splits: dict split name -> official number of images.
        source: Source of the photos, for messages.
        settings: `FileSettings`. Without an image size a network sees a window of 224 pixels.
        download_mb: Size of the download in MB; 0 without a download.
    """
    side = settings.image_size or SIDE
    return DatasetInfo(
        name=name,
        image_shape=(side, side, 3),
        class_names=tuple(str(number + 1) for number in range(classes)),
        splits=splits,
        source=source,
        download_mb=download_mb,
        augment=ResizedCrop(side),
        class_disjoint=True,
        settings=settings,
    )


def divided(info, split, rows, read, limit, *, place):
    """Returns the Examples of a split of a set whose first half of the classes trains.

    Of a copy with fewer classes, the first half of its classes trains.

    Args:
        rows: List of (name, label) of the images of both splits.
        info, split, read, limit, place: See `examples`, with the same errors.
    """
    present = sorted({label for _, label in rows})
    border, remark = info.num_classes // 2, ""
    if 1 < len(present) < info.num_classes:
        half = len(present) // 2
        border = present[half]
        remark = f" It has {len(present)} of {info.num_classes} classes: the first {half} train."
    rows = [row for row in rows if (row[1] < border) == (split == "train")]
    return examples(info, split, rows, read, limit, place=place, remark=remark)


def examples(info, split, rows, read, limit, *, place, remark=""):
    """Returns the `Examples` of a split as encoded files.

    Args:
        info: `DatasetInfo`.
        split: "train" or "test".
        rows: List of (name, label) of the split.
        read: Function names -> {name: bytes} of the existing files.
        limit: Number of images to read, the first ones; None means all.
        place: Place of the files, for messages.
        remark: Text of the warning about a reduced copy.

    Raises:
        UserError: Fewer than two classes, labels that the set does not have, annotated images that
            are missing, or images that cannot be decoded, with on_bad_image="fail".
    """
    info.warn_if_reduced(split, len(rows), remark)
    _check_labels(info, split, rows, place)
    rows = rows[:limit]
    found = read([name for name, _ in rows])
    if missing := [name for name, _ in rows if name not in found]:
        raise UserError(
            f"{place}: the annotations name {len(missing):,} images that are not there: "
            f"{first_of(missing)}; unpack it anew"
        )

    def load(name):
        require_size(found[name], info.settings.max_pixels)
        decoded(found[name], 3)
        return found[name]

    kept, files = read_all([name for name, _ in rows], load, info.settings.on_bad_image)
    side = info.augment.resized
    return Examples(
        np.array(files, object),
        np.array([rows[row][1] for row in kept], np.int32),
        (side, side, 3),
        info.augment,
    )


def _check_labels(info, split, rows, place):
    labels = np.unique([label for _, label in rows])
    if len(labels) < 2:
        raise UserError(
            f"{place} has images of {len(labels)} classes for {split}; metric learning needs two"
        )
    if labels[0] < 0 or labels[-1] >= info.num_classes:
        wrong = labels[0] if labels[0] < 0 else labels[-1]
        raise UserError(
            f"{place} has images of class {wrong + 1}; {info.name} has classes 1 to "
            f"{info.num_classes}"
        )
