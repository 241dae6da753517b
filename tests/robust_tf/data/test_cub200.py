"""CUB from small copies in the official layout: sides, order, sources, and what is refused."""

import importlib.util
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow_datasets as tfds
from small_photos import (
    assert_refused,
    jpeg,
    shades,
    warnings_of,
    write_folder,
    write_tfds,
    write_tgz,
)

from hm_tf.triplets.pairs import pair_dataset
from robust_tf import data
from robust_tf.data.augment import ResizedCrop
from robust_tf.evaluation.attack_loop import images_of

ROOT = "CUB_200_2011"
# Number of the image -> (name, class). The order of the numbers is none of the names.
IMAGES = {
    1: ("001.A/b.jpg", 1),
    2: ("001.A/a.jpg", 1),
    3: ("100.B/a.jpg", 100),
    4: ("101.C/a.jpg", 101),
    5: ("101.C/b.jpg", 101),
    11: ("200.D/b.jpg", 200),
    10: ("200.D/a.jpg", 200),
}


def official(images=None):
    """Name -> bytes; the image with number i has shade 10 * i."""
    images = images or IMAGES
    files = {f"{ROOT}/images/{n}": jpeg(10 * i % 256, 9 + i) for i, (n, _) in images.items()}
    lists = {
        "images.txt": "".join(f"{i} {name}\n" for i, (name, _) in images.items()),
        "image_class_labels.txt": "".join(f"{i} {c}\n" for i, (_, c) in images.items()),
    }
    # the lists come last, as no order in an archive can be relied on
    return {**files, **{f"{ROOT}/{name}": text.encode() for name, text in lists.items()}}


def every_class():
    return {c: (f"{c:03}.X/{c}.jpg", c) for c in range(1, 201)}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path, official())


def load(place, split="train", limit=None, **settings):
    return data.open("cub200", place, **settings).load(split, limit)


def test_facts():
    info = data.open("cub200").info
    assert info.splits == {"train": 5864, "test": 5924}
    assert (info.num_classes, info.image_shape, info.class_disjoint) == (200, (224, 224, 3), True)
    assert info.augment == ResizedCrop(224)
    small = data.open("cub200", image_size=64).info
    assert (small.image_shape, small.augment.resized) == ((64, 64, 3), 73)


def test_all_classes_are_divided_in_the_middle(tmp_path):
    write_folder(tmp_path, official(every_class()))
    train, test = load(tmp_path), load(tmp_path, "test")
    assert train.labels.tolist() == list(range(100))
    assert test.labels.tolist() == list(range(100, 200))


@pytest.mark.parametrize("form", ["folder", "itself", "archive", "archive's folder"])
def test_every_form_gives_the_same(form, tmp_path, folder):
    archive = tmp_path / "packed" / f"{ROOT}.tgz"
    archive.parent.mkdir()
    write_tgz(archive, official())
    places = (folder, folder / ROOT, archive, archive.parent)
    place = dict(zip(("folder", "itself", "archive", "archive's folder"), places))[form]
    train, test = load(place), load(place, "test")
    assert (train.labels.tolist(), shades(train)) == ([0, 0, 99], [10, 20, 30])
    assert (test.labels.tolist(), shades(test)) == ([100, 100, 199, 199], [40, 50, 100, 110])
    assert train.encoded_shape == (256, 256, 3) and train.image_shape == (224, 224, 3)
    assert load(place, "test", limit=2).labels.tolist() == [100, 100]
    assert "images, prepared in " in data.open("cub200", place).describe()


def test_prepared_copy_comes_first(folder):
    split = {
        "train": {"image": [50, 60, 70], "label": [0, 150, 0], "image/filename": ["b", "d", "a"]},
        "test": {"image": [80, 90], "label": [3, 199], "image/filename": ["c", "e"]},
    }
    features = {
        "label": tfds.features.ClassLabel(num_classes=200),
        "image/filename": tfds.features.Text(),
    }
    write_tfds("caltech_birds2011", folder, features, split)
    train, test = load(folder), load(folder, "test")
    assert (train.labels.tolist(), shades(train)) == ([0, 0, 3], [70, 50, 80])
    assert (test.labels.tolist(), shades(test)) == ([150, 199], [60, 90])
    assert "caltech_birds2011/1.0.0" in data.open("cub200", folder).describe()


def test_reduced_copy_warns_once_and_is_halved(tmp_path, caplog):
    classes = [3, 3, 5, 5, 8, 8, 9, 9, 9, 20, 20]
    few = {i: (f"{c:03}.X/{i}.jpg", c) for i, c in enumerate(classes, 1)}
    write_folder(tmp_path, official(few))
    assert load(tmp_path).labels.tolist() == [2, 2, 4, 4]
    assert warnings_of(caplog) == [
        "cub200 train: this copy has 4 images, the official one 5864. "
        "It has 5 of 200 classes: the first 2 train."
    ]
    assert load(tmp_path, "test").labels.tolist() == [7, 7, 8, 8, 8, 19, 19]


def test_batches_have_the_windows_of_the_network(folder):
    examples, info = load(folder, image_size=32), data.open("cub200", image_size=32).info
    for batch in pair_dataset(examples, info, batch_size=4, seed=0, stop_step=2):
        assert batch["image"].shape == (4, 32, 32, 3)
        shade = np.array([10, 20, 30])[np.array(batch["label"]) // 99]
        inside = abs(255 * batch["image"].numpy().mean((1, 2, 3)) - shade)
        assert (inside < 11).all()
    assert images_of(examples, slice(3)).shape == (3, 32, 32, 3)


def test_missing_lists(folder):
    (folder / ROOT / "images.txt").unlink()
    assert_refused(lambda: load(folder), f"lacks {ROOT}/images.txt", f"get {ROOT}.tgz anew")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("image_class_labels.txt", "1 1\n2 1\n"),
        ("image_class_labels.txt", "a lot of nonsense"),
        ("images.txt", "1\n"),
        ("images.txt", "\udcff"),
    ],
)
def test_lists_that_do_not_fit_together(name, text, folder):
    (folder / ROOT / name).write_bytes(text.encode(errors="surrogateescape"))
    assert_refused(lambda: load(folder), "do not fit together", "images.txt")


def test_lists_that_do_not_fit_the_images(folder):
    for name in ("001.A/a.jpg", "100.B/a.jpg"):
        (folder / ROOT / "images" / name).unlink()
    assert_refused(lambda: load(folder), "2 images that are not there", "001.A/a.jpg", "unpack")


def test_classes_out_of_range(tmp_path):
    images = {**IMAGES, 12: ("250.E/a.jpg", 250)}
    write_folder(tmp_path, official(images))
    assert_refused(lambda: load(tmp_path, "test"), "class 250", "1 to 200")


@pytest.mark.parametrize("classes", [[], [7, 7], [7, 8]])
def test_fewer_than_two_classes(classes, tmp_path):
    images = {i: (f"{i}.jpg", c) for i, c in enumerate(classes, 1)} or {1: ("1.jpg", 1)}
    write_folder(tmp_path, official(images))
    assert_refused(lambda: load(tmp_path), "metric learning needs two")


def test_bad_images_fail_or_are_left_out(folder, caplog):
    (folder / ROOT / "images" / "001.A" / "a.jpg").write_bytes(jpeg(20)[:100])
    assert_refused(
        lambda: load(folder), "1 image file cannot", "001.A/a.jpg", "--on_bad_image=skip"
    )
    train = load(folder, on_bad_image="skip")
    assert (train.labels.tolist(), shades(train)) == ([0, 99], [10, 30])
    assert any("1 image file cannot be decoded" in line for line in warnings_of(caplog))


def test_broken_archive(tmp_path):
    path = tmp_path / f"{ROOT}.tgz"
    write_tgz(path, official())
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"not found", b""):
        path.write_bytes(content)
        assert_refused(lambda: load(tmp_path), str(path), "broken")


def test_nothing_there_and_no_opencv(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = (str(tmp_path), f"{ROOT}.tgz", "opencv")
    assert_refused(lambda: data.open("cub200", tmp_path).describe(), *words)
    assert_refused(lambda: load(tmp_path), *words)


def test_nothing_there_and_no_network(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "found")
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert data.open("cub200", tmp_path).describe().endswith("download of 1189.9 MB ahead")
    assert_refused(lambda: load(tmp_path), "cannot be reached", "caltech_birds2011/<version>")
