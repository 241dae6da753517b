"""SOP from small copies in the official layout: sides, order, sources, and what is refused."""

import pytest
import tensorflow_datasets as tfds
from small_photos import (
    assert_refused,
    jpeg,
    shades,
    warnings_of,
    write_folder,
    write_tfds,
    write_zip,
)

from robust_tf import data, progress_bar

ROOT = "Stanford_Online_Products"
HEADER = "image_id class_id super_class_id path"
# split -> [(class, path, shade)] in the order of the list
LISTS = {
    "train": [
        (2, "chair_final/2_0.JPG", 30),
        (2, "chair_final/2_1.JPG", 20),
        (1, "bicycle_final/1_0.JPG", 10),
        (11318, "fan_final/9_0.JPG", 40),
    ],
    "test": [(11319, "mug_final/a_0.JPG", 60), (22634, "mug_final/b_0.JPG", 50)],
}


def official():
    files = {f"{ROOT}/{path}": jpeg(shade) for rows in LISTS.values() for _, path, shade in rows}
    for split, rows in LISTS.items():
        lines = [f"{i} {number} 1 {path}" for i, (number, path, _) in enumerate(rows, 1)]
        files[f"{ROOT}/Ebay_{split}.txt"] = "\n".join([HEADER, *lines, ""]).encode()
    return files


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path, official())


def load(place, split="train", limit=None, **settings):
    return data.open("sop", place, **settings).load(split, limit)


def test_facts():
    info = data.open("sop").info
    assert info.splits == {"train": 59551, "test": 60502}
    assert (info.num_classes, info.image_shape, info.class_disjoint) == (22634, (224, 224, 3), True)


def prepared(folder):
    features = {"class_id": tfds.features.ClassLabel(num_classes=22634)}
    splits = {
        f"Ebay_{split}": {
            "image": [shade for *_, shade in rows],
            "class_id": [number - 1 for number, *_ in rows],
        }
        for split, rows in LISTS.items()
    }
    return write_tfds("stanford_online_products", folder, features, splits)


@pytest.mark.parametrize("form", ["folder", "itself", "archive", "archive's folder", "tfds"])
def test_every_form_gives_the_same_and_shows_how_far_it_is(
    form, tmp_path, folder, monkeypatch, capsys
):
    monkeypatch.setattr(progress_bar, "SOON", 1e-9)
    archive = tmp_path / "packed" / f"{ROOT}.zip"
    archive.parent.mkdir()
    write_zip(archive, official())
    copy = prepared(tmp_path / "tfds")
    forms = {
        "folder": folder,
        "itself": folder / ROOT,
        "archive": archive,
        "archive's folder": archive.parent,
        "tfds": copy,
    }
    train, test = load(forms[form]), load(forms[form], "test")
    assert (train.labels.tolist(), shades(train)) == ([1, 1, 0, 11317], [30, 20, 10, 40])
    assert (test.labels.tolist(), shades(test)) == ([11318, 22633], [60, 50])
    assert train.image_shape == (224, 224, 3)
    assert load(forms[form], limit=1).labels.tolist() == [1]
    said = capsys.readouterr().err
    assert ("reading Ebay_train" if form == "tfds" else "reading files") in said
    assert "reading images" in said


def test_reduced_copy_is_told(folder, caplog):
    load(folder)
    assert warnings_of(caplog) == ["sop train: this copy has 4 images, the official one 59551."]


def test_missing_list(folder):
    (folder / ROOT / "Ebay_test.txt").unlink()
    assert len(load(folder)) == 4
    assert_refused(lambda: load(folder, "test"), f"lacks {ROOT}/Ebay_test.txt", f"{ROOT}.zip")


@pytest.mark.parametrize(
    "text",
    ["", "1 1 1 chair_final/2_0.JPG\n", f"{HEADER}\n1 1\n", f"{HEADER}\n1 x 1 a.JPG\n", "\udcff"],
)
def test_lists_that_are_none(text, folder):
    (folder / ROOT / "Ebay_train.txt").write_bytes(text.encode(errors="surrogateescape"))
    assert_refused(lambda: load(folder), "Ebay_train.txt is no list", HEADER)


def test_lists_that_do_not_fit_the_images(folder):
    (folder / ROOT / LISTS["train"][0][1]).unlink()
    assert_refused(lambda: load(folder), "1 images that are not there", LISTS["train"][0][1])


def test_bad_images(folder):
    (folder / ROOT / LISTS["train"][0][1]).write_bytes(b"text")
    assert_refused(lambda: load(folder), "1 image file cannot be decoded", LISTS["train"][0][1])
    assert shades(load(folder, on_bad_image="skip")) == [20, 10, 40]


def test_fewer_than_two_classes(folder):
    line = f"{HEADER}\n1 1 1 {LISTS['train'][2][1]}\n"
    (folder / ROOT / "Ebay_train.txt").write_text(line)
    assert_refused(lambda: load(folder), "images of 1 classes for train", "metric learning needs")


def test_broken_archive(tmp_path):
    path = tmp_path / f"{ROOT}.zip"
    write_zip(path, official())
    for content in (path.read_bytes()[:-40], b"not found"):
        path.write_bytes(content)
        assert_refused(lambda: load(tmp_path), str(path), "broken")


def test_nothing_there(tmp_path):
    for action in (lambda: data.open("sop", tmp_path).describe(), lambda: load(tmp_path)):
        assert_refused(action, str(tmp_path), f"ftp://cs.stanford.edu/cs/cvgl/{ROOT}.zip")
