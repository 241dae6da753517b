"""Cars-196 for metric learning: photos of 196 models of cars, 98 to train, 98 to test."""

import functools
import io

import numpy as np
import scipy.io

from robust_tf.data import packed_files, photo_set, tfds_copies
from robust_tf.data.tfds_photos import TfdsPhotos
from robust_tf.errors import UserError, reason_of

TFDS_NAME = "cars196"
# Both forms that the authors published: two folders with annotations each, or one with all.
PARTS = ("cars_train", "cars_test")
DEVKIT = "devkit"
TRAIN_LABELS = f"{DEVKIT}/cars_train_annos.mat"
TEST_LABELS = "cars_test_annos_withlabels.mat"
WHOLE = "car_ims"
WHOLE_LABELS = "cars_annos.mat"
NEEDED = (
    f"cars_train.tgz, cars_test.tgz, car_devkit.tgz and {TEST_LABELS}, or car_ims.tgz and "
    f"{WHOLE_LABELS} (archives or what they unpack to)"
)


def facts(data_dir, settings):
    """Returns the DatasetInfo; see `photo_set.facts`. Nothing is read."""
    splits = {"train": 8054, "test": 8131}
    source = "https://ai.stanford.edu/~jkrause/cars/car_dataset.html"
    return photo_set.facts("cars196", 196, splits, source, settings)


def locate(info, data_dir):
    """Returns the prepared TFDS folder, or the (first) folder or archive with photos.

    Raises:
        UserError: there is none. The address of the download is dead.
    """
    folder = _base(info, data_dir)
    found = tfds_copies.locate(TFDS_NAME, data_dir) or _find(folder, PARTS[0])
    found = found or _find(folder, WHOLE)
    if found is None:
        raise UserError(
            f"cars196 is not in {folder} and its download is gone: put {NEEDED} there (--data_dir)"
        )
    return found


def read(info, split, data_dir, limit):
    """Returns the Examples of a split as encoded files.

    The classes 1..98 train, 99..196 test, whatever the official split of the images. Of a copy with
    fewer classes, the first half of the present classes trains. Images are sorted by folder
    and file name.

    Raises:
        UserError: no photos, missing or wrong annotations, and what `photo_set.divided` refuses.
        RunError: a broken copy of TFDS.
    """
    place = locate(info, data_dir)
    rows, files = _open(place, _base(info, data_dir), data_dir)
    return photo_set.divided(info, split, sorted(rows), files, limit, place=place)


def _open(place, folder, data_dir):
    """Returns [(name, label)] of all photos and the function names -> {name: bytes}."""
    if place == _find(folder, PARTS[0]):
        places = [_required(folder, part, f"{part}.tgz") for part in PARTS]
        return _two_parts(folder), functools.partial(_from_both, places)
    if place == _find(folder, WHOLE):
        rows = _annotated(folder / WHOLE_LABELS, "relative_im_path")
        return rows, functools.partial(packed_files.read_files, place)
    as_in_archives = lambda split, _, features: f"cars_{split}/{features['id'].decode()}.jpg"
    photos = TfdsPhotos(TFDS_NAME, data_dir, None, "label", as_in_archives, ("id",))
    return photos.rows(), photos.files


def _from_both(places, names):
    found = {}
    for place, part in zip(places, PARTS):
        found |= packed_files.read_files(place, [n for n in names if n.startswith(f"{part}/")])
    return found


def _base(info, data_dir):
    return packed_files.base(info, data_dir, *PARTS, WHOLE)


def _find(folder, unpacked):
    return packed_files.find(folder, unpacked, f"{unpacked}.tgz")


def _required(folder, unpacked, archive):
    place = packed_files.find(folder, unpacked, archive)
    if place is None:
        raise UserError(f"{folder} has no {archive}; cars196 needs {NEEDED}")
    return place


def _two_parts(folder):
    devkit = _required(folder, DEVKIT, "car_devkit.tgz")
    purpose = "says which photo is of which class; get car_devkit.tgz anew"
    [train] = packed_files.require_files(devkit, [TRAIN_LABELS], purpose)
    return [
        *_rows(train, devkit / TRAIN_LABELS, "fname", "cars_train/"),
        *_annotated(folder / TEST_LABELS, "fname", "cars_test/"),
    ]


def _annotated(path, field, prefix=""):
    if not path.is_file():
        raise UserError(f"{path.parent} has no {path.name}; cars196 needs {NEEDED}")
    return _rows(path.read_bytes(), path, field, prefix)


def _rows(content, path, field, prefix=""):
    """Returns [(name, label)] of a .mat file of annotations."""
    try:
        table = scipy.io.loadmat(io.BytesIO(content), squeeze_me=True)["annotations"]
        names, classes = (np.atleast_1d(table[column]).tolist() for column in (field, "class"))
        return [(f"{prefix}{name}", int(number) - 1) for name, number in zip(names, classes)]
    except Exception as error:  # scipy raises about anything on what is no .mat file
        raise UserError(
            f"{path} has no annotations with the fields {field} and class "
            f"({reason_of(error)}); cars196 needs {NEEDED}"
        ) from error
