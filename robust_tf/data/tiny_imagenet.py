"""Tiny ImageNet: the 200-class set of Stanford's course CS231N, from its zip or its folder."""

import os
import pathlib
import zipfile

import numpy as np

from robust_tf.data import download, tfds_copies
from robust_tf.data.augment import Augment
from robust_tf.data.class_folders import in_turn, is_image
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.displayed import require_size
from robust_tf.data.examples import Examples
from robust_tf.data.image_files import UnreadableImage, counted, decoded, in_threads
from robust_tf.data.packed_files import unpacked
from robust_tf.errors import UNREADABLE, UserError

ROOT = "tiny-imagenet-200"
ANNOTATIONS = "val/val_annotations.txt"
# Of the official zip, 248,100,043 bytes, as the public loaders check it (Avalanche and others).
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"

# The WordNet synsets in the order of the labels. In TLA's code the order changes between runs.
SYNSETS = """
n01443537 n01629819 n01641577 n01644900 n01698640 n01742172 n01768244 n01770393 n01774384
n01774750 n01784675 n01855672 n01882714 n01910747 n01917289 n01944390 n01945685 n01950731
n01983481 n01984695 n02002724 n02056570 n02058221 n02074367 n02085620 n02094433 n02099601
n02099712 n02106662 n02113799 n02123045 n02123394 n02124075 n02125311 n02129165 n02132136
n02165456 n02190166 n02206856 n02226429 n02231487 n02233338 n02236044 n02268443 n02279972
n02281406 n02321529 n02364673 n02395406 n02403003 n02410509 n02415577 n02423022 n02437312
n02480495 n02481823 n02486410 n02504458 n02509815 n02666196 n02669723 n02699494 n02730930
n02769748 n02788148 n02791270 n02793495 n02795169 n02802426 n02808440 n02814533 n02814860
n02815834 n02823428 n02837789 n02841315 n02843684 n02883205 n02892201 n02906734 n02909870
n02917067 n02927161 n02948072 n02950826 n02963159 n02977058 n02988304 n02999410 n03014705
n03026506 n03042490 n03085013 n03089624 n03100240 n03126707 n03160309 n03179701 n03201208
n03250847 n03255030 n03355925 n03388043 n03393912 n03400231 n03404251 n03424325 n03444034
n03447447 n03544143 n03584254 n03599486 n03617480 n03637318 n03649909 n03662601 n03670208
n03706229 n03733131 n03763968 n03770439 n03796401 n03804744 n03814639 n03837869 n03838899
n03854065 n03891332 n03902125 n03930313 n03937543 n03970156 n03976657 n03977966 n03980874
n03983396 n03992509 n04008634 n04023962 n04067472 n04070727 n04074963 n04099969 n04118538
n04133789 n04146614 n04149813 n04179913 n04251144 n04254777 n04259630 n04265275 n04275548
n04285008 n04311004 n04328186 n04356056 n04366367 n04371430 n04376876 n04398044 n04399382
n04417672 n04456115 n04465501 n04486054 n04487081 n04501370 n04507155 n04532106 n04532670
n04540053 n04560804 n04562935 n04596742 n04597913 n06596364 n07579787 n07583066 n07614500
n07615774 n07695742 n07711569 n07715103 n07720875 n07734744 n07747607 n07749582 n07753592
n07768694 n07871810 n07873807 n07875152 n07920052 n09193705 n09246464 n09256479 n09332890
n09428293 n12267677
""".split()

TINY_IMAGENET = DatasetInfo(
    name="tiny_imagenet",
    image_shape=(64, 64, 3),
    class_names=tuple(SYNSETS),
    # test is the official validation set: the labels of the official test set are not public
    splits={"train": 100_000, "test": 10_000},
    source="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    download_mb=248.1,
    augment=Augment(pad=4, flip=True),
    standardize=True,
)


def locate(info, data_dir):
    """Returns the zip or the unpacked folder, None if there is neither.

    Args:
        info: DatasetInfo.
        data_dir: the zip, the unpacked folder, or the folder that holds one of them; None means
            tiny_imagenet in TFDS_DATA_DIR or ~/tensorflow_datasets.
    """
    place = _place(data_dir)
    if place.is_file() or (place / "train").is_dir():
        return place
    candidates = [place / ROOT, place / f"{ROOT}.zip", *sorted(place.glob(f"{ROOT}*.zip"))]
    return next((path for path in candidates if path.exists()), None)


def read(info, split, data_dir, limit):
    """Returns the Examples of a split as encoded files, downloading the zip if need be.

    The training images come in turn from all classes, so that a limit keeps them balanced. Bounding
    boxes and the images without a label are left alone.

    Raises:
        UserError: no such place, no network, a broken zip, no annotations, undecodable images.
        RunError: the download broke off.
    """
    place = locate(info, data_dir)
    if place is None:
        place = _place(data_dir) / f"{ROOT}.zip"
        download.download(info.source, place, md5=MD5, instead=_instead(data_dir))
    try:
        names, read_file = _open(place)
        rows = _train(names) if split == "train" else _validation(names, read_file, place)
        info.warn_if_reduced(split, len(rows))
        rows = rows[:limit]
        files = _decodable(info, [name for name, _ in rows], read_file, place)
    except UNREADABLE as error:
        raise UserError(f"{place} is broken ({error}); delete it and get it anew") from error
    labels = np.array([label for _, label in rows], np.int32)
    return Examples(np.array(files, object), labels, info.image_shape)


def reach(info, data_dir):
    """Raises UserError if the place of the download does not answer."""
    download.reach(info.source, _instead(data_dir)).close()


def _instead(data_dir):
    folder = _place(data_dir)
    return f"put {ROOT}.zip or its unpacked folder {ROOT} into {folder} (--data_dir)"


def _place(data_dir):
    return tfds_copies.root(None) / "tiny_imagenet" if data_dir is None else pathlib.Path(data_dir)


def _open(place):
    """Returns the names of all files below the root, and the function name -> bytes."""
    if place.is_dir():
        names = [
            pathlib.Path(folder, name).relative_to(place).as_posix()
            for folder, _, files in os.walk(place)
            for name in files
        ]
        return names, lambda name: (place / name).read_bytes()
    archive = zipfile.ZipFile(place)
    prefix = f"{ROOT}/"
    names = [name.removeprefix(prefix) for name in archive.namelist() if name.startswith(prefix)]
    return names, lambda name: unpacked(archive, prefix + name)


def _train(names):
    """Returns [(name, label)] of train/<synset>/images/*.JPEG, class by class in turn."""
    of_class = {synset: [] for synset in SYNSETS}
    for name in sorted(names):
        parts = name.split("/")
        if parts[0] == "train" and parts[2:3] == ["images"] and parts[1] in of_class:
            if is_image(parts[-1]):  # not what operating systems add
                of_class[parts[1]].append(name)
    rows = [[(name, label) for name in found] for label, found in enumerate(of_class.values())]
    return in_turn(rows)


def _validation(names, read_file, place):
    """Returns [(name, label)] of the annotated images, in the order of the annotations."""
    if ANNOTATIONS not in names:
        raise UserError(
            f"{place} has no {ANNOTATIONS}, which holds the labels of the test images; "
            f"get {ROOT}.zip anew"
        )
    present = set(names)
    rows = []
    for line in read_file(ANNOTATIONS).decode().splitlines():
        file, synset = line.split("\t")[:2]
        if f"val/images/{file}" in present:
            rows.append((f"val/images/{file}", SYNSETS.index(synset)))
    return rows


def _decodable(info, names, read_file, place):
    """Returns [bytes] of the files of these names."""

    def load(name):
        data = read_file(name)
        require_size(data)
        if decoded(data, info.image_shape[-1]).shape != info.image_shape:
            raise UnreadableImage
        return data

    files = in_threads(load, names)
    bad = [name for name, found in zip(names, files) if isinstance(found, UnreadableImage)]
    if bad:
        raise UserError(f"{place}: {counted(bad, 'cannot be decoded')}; get {ROOT}.zip anew")
    return files
