"""Two folders of images are the same where the names and sizes of all files are."""

import shutil

import pytest

from robust_tf import data
from robust_tf.data.image_identity import in_words


def identity(root):
    return data.open("folder", root).info.identity


@pytest.fixture
def images(tmp_path):
    """Two classes of five files that nobody opens."""
    for i in range(10):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (i + 1))
    return tmp_path / "images"


def test_it_counts_and_follows_the_images_to_another_place(images, tmp_path):
    found = identity(images)
    assert {name: found[name] for name in ("train", "test")} == {"train": 8, "test": 2}
    moved = shutil.copytree(images, tmp_path / "elsewhere" / "moved")
    assert identity(moved) == identity(f"{moved}/") == found
    assert in_words(found) == f"train 8, test 2 files, checksum {found['checksum'][:8]}"


CHANGES = {
    "added": lambda images: (images / "a" / "10.jpg").write_bytes(b"x"),
    "renamed": lambda images: (images / "a" / "0.jpg").rename(images / "a" / "00.jpg"),
    "of another size": lambda images: (images / "b" / "1.jpg").write_bytes(b"x"),
    "of another class": lambda images: (images / "a" / "0.jpg").rename(images / "b" / "0.jpg"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_file_is_another_set(images, change):
    before = identity(images)
    change(images)
    assert identity(images)["checksum"] != before["checksum"]


def test_given_splits_are_told_apart(images, tmp_path):
    first, second = (tmp_path / name for name in ("first", "second"))
    for root, parts in ((first, ("train", "test")), (second, ("test", "train"))):
        for part, rows in zip(parts, (("0", "1"), ("2", "3")), strict=True):
            for number in rows:
                for name in "ab":
                    path = root / part / name / f"{number}.jpg"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(b"x")
    assert identity(first)["checksum"] != identity(second)["checksum"]


def test_data_sets_with_a_name_of_their_own_need_none():
    assert data.open("digits").info.identity is data.open("mnist").info.identity is None
