"""Stanford Online Products for metric learning: photos of 22,634 products, half to train."""

import functools

from robust_tf.data import packed_files, photo_set, tfds_copies
from robust_tf.data.tfds_photos import TfdsPhotos
from robust_tf.errors import UserError

TFDS_NAME = "stanford_online_products"
ROOT = "Stanford_Online_Products"
ARCHIVE = f"{ROOT}.zip"
COLUMNS = ["image_id", "class_id", "super_class_id", "path"]


def facts(data_dir, settings):
    """Returns the DatasetInfo; see `photo_set.facts`. Nothing is read."""
    splits = {"train": 59551, "test": 60502}
    source = "ftp://cs.stanford.edu/cs/cvgl/Stanford_Online_Products.zip"
    return photo_set.facts("sop", 22634, splits, source, settings)


def locate(info, data_dir):
    """Returns the prepared TFDS folder, the unpacked folder or the archive.

    Raises:
        UserError: there is none. The download is by FTP, which many networks block.
    """
    folder = packed_files.base(info, data_dir, ROOT)
    found = tfds_copies.locate(TFDS_NAME, data_dir) or packed_files.find(folder, ROOT, ARCHIVE)
    if found is None:
        raise UserError(
            f"sop is not in {folder}: get {info.source} and put it or its unpacked folder {ROOT} "
            "there (--data_dir)"
        )
    return found


def read(info, split, data_dir, limit):
    """Returns the Examples of a split as encoded files, in the order of the official list.

    The products 1..11318 train, 11319..22634 test. A copy of TFDS has an order of its own.

    Raises:
        UserError: no photos, missing or wrong lists, and what `photo_set.examples` refuses.
        RunError: a broken copy of TFDS.
    """
    place = locate(info, data_dir)
    if place.name in (ROOT, ARCHIVE):
        rows = _listed(place, f"{ROOT}/Ebay_{split}.txt")
        files = functools.partial(packed_files.read_files, place)
    else:
        numbered = lambda part, position, _: f"{part}/{position}"
        photos = TfdsPhotos(TFDS_NAME, data_dir, [f"Ebay_{split}"], "class_id", numbered)
        rows, files = photos.rows(), photos.files
    return photo_set.examples(info, split, rows, files, limit, place=place)


def _listed(place, name):
    """Returns [(name, label)] of a list file."""
    purpose = f"says which photo is of which product; get {ARCHIVE} anew"
    [content] = packed_files.require_files(place, [name], purpose)
    try:
        header, *lines = content.decode().splitlines()
        if header.split() != COLUMNS:
            raise ValueError(f"its first line is {header!r}")
        fields = [line.split(maxsplit=3) for line in lines]
        return [(f"{ROOT}/{path.strip()}", int(product) - 1) for _, product, _, path in fields]
    except ValueError as error:
        raise UserError(
            f"{place}: {name} is no list with the columns {' '.join(COLUMNS)}: {error}"
        ) from error
