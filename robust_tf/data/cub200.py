"""CUB-200-2011 for metric learning: photos of 200 kinds of birds, 100 to train, 100 to test."""

import functools
import importlib.util

from robust_tf.data import packed_files, photo_set, tfds_copies
from robust_tf.data.tfds_photos import TfdsPhotos
from robust_tf.errors import UserError

TFDS_NAME = "caltech_birds2011"
ROOT = "CUB_200_2011"
ARCHIVE = f"{ROOT}.tgz"
_NAME = "image/filename"  # feature of TFDS
LISTS = (f"{ROOT}/images.txt", f"{ROOT}/image_class_labels.txt")


def facts(data_dir, settings):
    """Returns the DatasetInfo; see `photo_set.facts`. Nothing is read."""
    return photo_set.facts(
        "cub200",
        200,
        {"train": 5864, "test": 5924},
        "https://data.caltech.edu/records/65de6-vp158",
        settings,
        download_mb=1189.9,  # TFDS fetches the segmentations, too
    )


def locate(info, data_dir):
    """Returns the prepared TFDS folder, the unpacked folder or the archive, None if a download is
    ahead.

    Raises:
        UserError: there is none, and TFDS could not build one.
    """
    folder = packed_files.base(info, data_dir, ROOT)
    found = tfds_copies.locate(TFDS_NAME, data_dir) or packed_files.find(folder, ROOT, ARCHIVE)
    if found is None and importlib.util.find_spec("cv2") is None:
        raise UserError(
            f"cub200 is not in {folder}: put {ARCHIVE} or its unpacked folder {ROOT} there "
            f"(--data_dir), or, for the download of {info.download_mb:g} MB through TFDS, "
            "pip install opencv-python-headless"
        )
    return found


def read(info, split, data_dir, limit):
    """Returns the Examples of a split as encoded files.

    The classes 1..100 train, 101..200 test, whatever the official split of the images. Of a copy
    with fewer classes, the first half of the present classes trains. Images are sorted by their
    numbers; a copy of TFDS does not know them and is in the order of the file names.

    Raises:
        UserError: no network, missing or wrong lists, and what `photo_set.divided` refuses.
        RunError: a broken download or copy of TFDS.
    """
    place = locate(info, data_dir)
    if place is not None and place.name in (ROOT, ARCHIVE):
        everything, files = _listed(place), functools.partial(packed_files.read_files, place)
    else:
        if place is None:
            reach(info, data_dir)
        named = lambda split, position, features: features[_NAME].decode()
        photos = TfdsPhotos(TFDS_NAME, data_dir, None, "label", named, (_NAME,))
        everything, files = sorted(photos.rows()), photos.files
    return photo_set.divided(info, split, everything, files, limit, place=place or info.source)


def reach(info, data_dir):
    """Raises UserError if the place of the download does not answer."""
    tfds_copies.require_network(TFDS_NAME, info.source, data_dir)


def _listed(place):
    """Returns [(name, label)] of all images in the order of their numbers."""
    purpose = f"say which image is of which class; get {ARCHIVE} anew"
    contents = packed_files.require_files(place, LISTS, purpose)
    try:
        names, classes = (
            dict(line.split(maxsplit=1) for line in content.decode().splitlines())
            for content in contents
        )
        if names.keys() != classes.keys():
            raise ValueError(f"{len(names):,} images, {len(classes):,} labels, other numbers")
        return [
            (f"{ROOT}/images/{names[number].strip()}", int(classes[number]) - 1)
            for number in sorted(names, key=int)
        ]
    except ValueError as error:
        raise UserError(f"{place}: {' and '.join(LISTS)} do not fit together: {error}") from error
