"""Cars-196 from small copies of both published forms: sides, order, and what is refused."""

import io

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds
from small_photos import (
    assert_refused,
    jpeg,
    shades,
    write_folder,
    write_tfds,
    write_tgz,
)

from robust_tf import data

TEST_LABELS = "cars_test_annos_withlabels.mat"
# Folder -> [(file, class, shade)], not in the order of the files.
PARTS = {
    "cars_train": [("00002.jpg", 98, 20), ("00001.jpg", 1, 10), ("00003.jpg", 99, 30)],
    "cars_test": [("00001.jpg", 98, 40), ("00002.jpg", 196, 50)],
}
BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def annotations(rows, field="fname", labels=True):
    """A .mat file as the authors': one struct with a matrix per field and photo."""
    columns = {field: [name for name, *_ in rows], **{box: [1] * len(rows) for box in BOX}}
    if labels:
        columns["class"] = [row[1] for row in rows]
    table = np.empty([1, len(rows)], [(name, object) for name in columns])
    for name, column in columns.items():
        for place, value in enumerate(column):
            table[name][0, place] = value if isinstance(value, str) else np.array([[value]])
    file = io.BytesIO()
    scipy.io.savemat(file, {"annotations": table})
    return file.getvalue()


def photos(part):
    return {f"{part}/{name}": jpeg(shade) for name, _, shade in PARTS[part]}


def two_parts():
    return {
        **photos("cars_train"),
        **photos("cars_test"),
        "devkit/cars_train_annos.mat": annotations(PARTS["cars_train"]),
        "devkit/cars_meta.mat": b"",
        TEST_LABELS: annotations(PARTS["cars_test"]),
    }


def one_folder():
    """The same photos under the numbers that give the same order."""
    rows = sorted((f"{part}/{row[0]}", *row[1:]) for part in PARTS for row in PARTS[part])
    rows = [(f"car_ims/{i:06}.jpg", *row[1:]) for i, row in enumerate(rows)]
    files = {name: jpeg(shade) for name, _, shade in rows}
    return files, {"cars_annos.mat": annotations(rows[::-1], "relative_im_path")}


def pack(folder, files):
    """Writes files of one folder to its archive, and those of none as they are."""
    folder.mkdir(exist_ok=True)
    for part in {name.partition("/")[0] for name in files if "/" in name}:
        archive = folder / f"{'car_devkit' if part == 'devkit' else part}.tgz"
        write_tgz(archive, {name: f for name, f in files.items() if name.startswith(f"{part}/")})
    return write_folder(folder, {name: f for name, f in files.items() if "/" not in name})


def load(place, split="train", limit=None, **settings):
    return data.open("cars196", place, **settings).load(split, limit)


def test_facts():
    info = data.open("cars196").info
    assert info.splits == {"train": 8054, "test": 8131}
    assert (info.num_classes, info.image_shape, info.class_disjoint) == (196, (224, 224, 3), True)


def prepared(folder):
    features = {"label": tfds.features.ClassLabel(num_classes=196), "id": tfds.features.Text()}
    splits = {}
    for part, rows in PARTS.items():
        splits[part.removeprefix("cars_")] = {
            "image": [shade for *_, shade in rows],
            "label": [number - 1 for _, number, _ in rows],
            "id": [name.removesuffix(".jpg") for name, *_ in rows],
        }
    return write_tfds("cars196", folder, features, splits)


@pytest.mark.parametrize("form", ["parts", "packed parts", "one", "packed one", "part", "tfds"])
def test_every_form_gives_the_same(form, tmp_path):
    images, labels = one_folder()
    make = {
        "parts": lambda: write_folder(tmp_path, two_parts()),
        "packed parts": lambda: pack(tmp_path, two_parts()),
        "one": lambda: write_folder(tmp_path, {**images, **labels}),
        "packed one": lambda: pack(tmp_path, {**images, **labels}),
        "part": lambda: write_folder(tmp_path, two_parts()) / "cars_train",
        "tfds": lambda: prepared(tmp_path),
    }
    place = make[form]()
    train, test = load(place), load(place, "test")
    # four classes: the first two train
    assert (train.labels.tolist(), shades(train)) == ([97, 0, 97], [40, 10, 20])
    assert (test.labels.tolist(), shades(test)) == ([195, 98], [50, 30])
    assert train.encoded_shape == (256, 256, 3)
    assert "images, prepared in " in data.open("cars196", place).describe()


def test_all_classes_are_divided_in_the_middle(tmp_path):
    rows = [(f"car_ims/{c:06}.jpg", c, c) for c in range(1, 197)]
    files = {name: jpeg(shade) for name, _, shade in rows}
    labels = {"cars_annos.mat": annotations(rows, "relative_im_path")}
    write_folder(tmp_path, {**files, **labels})
    assert load(tmp_path).labels.tolist() == list(range(98))
    assert shades(load(tmp_path, "test", limit=5)) == [99, 100, 101, 102, 103]


@pytest.mark.parametrize(
    ("left_out", "word"),
    [
        ("cars_test/", "no cars_test.tgz"),
        ("devkit/", "no car_devkit.tgz"),
        ("devkit/cars_train", "lacks devkit/cars_train_annos.mat"),
        (TEST_LABELS, f"no {TEST_LABELS}"),
        ("cars_test/00002", "1 images that are not there: cars_test/00002.jpg"),
    ],
)
def test_missing_files(left_out, word, tmp_path):
    files = {n: f for n, f in two_parts().items() if not n.startswith(left_out)}
    assert_refused(lambda: load(write_folder(tmp_path, files), "test"), word)


def test_missing_images_of_the_one_folder(tmp_path):
    images, labels = one_folder()
    del images["car_ims/000000.jpg"]
    write_folder(tmp_path, {**images, **labels})
    word = "car_ims: the annotations name 1 images that are not there: car_ims/000000.jpg"
    assert_refused(lambda: load(tmp_path), word)


def test_missing_annotations_of_the_one_folder(tmp_path):
    write_folder(tmp_path, one_folder()[0])
    assert_refused(lambda: load(tmp_path), "no cars_annos.mat")


@pytest.mark.parametrize(
    "content",
    [
        annotations(PARTS["cars_test"], labels=False),
        annotations(PARTS["cars_test"], field="relative_im_path"),
        annotations(PARTS["cars_test"])[:200],
        b"text",
        b"",
    ],
)
def test_annotations_that_are_none(content, tmp_path):
    write_folder(tmp_path, {**two_parts(), TEST_LABELS: content})
    assert_refused(lambda: load(tmp_path), TEST_LABELS, "fields fname and class")


def test_classes_out_of_range(tmp_path):
    rows = [("00001.jpg", 98), ("00002.jpg", 197)]
    write_folder(tmp_path, {**two_parts(), TEST_LABELS: annotations(rows)})
    assert_refused(lambda: load(tmp_path, "test"), "class 197", "1 to 196")


def test_nothing_there(tmp_path):
    for action in (lambda: data.open("cars196", tmp_path).describe(), lambda: load(tmp_path)):
        assert_refused(action, "download is gone", "cars_train.tgz", "cars_annos.mat", TEST_LABELS)
