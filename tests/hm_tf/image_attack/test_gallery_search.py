"""A query in a gallery: where it is, what it finds, clean and with one image moved."""

import numpy as np
import pytest

from hm_tf.image_attack.gallery_search import GallerySearch, search_with
from robust_tf.data.gallery_folder import GalleryFolder
from robust_tf.errors import UserError


def points(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png", "d.png")]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number] * 9))
    return GalleryFolder(paths, np.array([0, 0, 1, 1], np.int32), ("one", "two"))


def write(tmp_path, content):
    path = tmp_path / "query.png"
    path.write_bytes(content)
    return path


def test_a_query_of_the_gallery_is_found_by_its_content(files, tmp_path):
    path = write(tmp_path, bytes([2] * 9))
    search = search_with(files, points(0, 30, 80, 120), path, points(80)[0])
    assert (search.query, search.added) == (2, False)
    rows, distances = search.ranked(2, search.embeddings[2])
    assert rows.tolist() == [3, 1, 0]  # 40, 50 and 80 degrees away
    np.testing.assert_allclose(distances, 2 * np.sin(np.radians([20, 25, 40])), atol=1e-6)
    assert [search.same_class(row) for row in rows] == [True, False, False]
    assert search.name_of(0) == "one/a.png"


def test_another_query_is_added_and_never_finds_itself(files, tmp_path):
    path = write(tmp_path, b"another")
    search = search_with(files, points(0, 30, 80, 120), path, points(85)[0], "one")
    assert (search.query, search.added, len(search.embeddings)) == (4, True, 5)
    assert search.ranked(4, search.embeddings[4])[0].tolist() == [2, 3, 1, 0]
    assert [search.same_class(row) for row in (0, 2)] == [True, False]
    unknown = search_with(files, points(0, 30, 80, 120), path, points(85)[0])
    assert unknown.same_class(0) is None and unknown.name_of(4) == "query.png"


def test_a_moved_query_leaves_its_clean_copy_out(files, tmp_path):
    search = search_with(files, points(0, 30, 80, 120), files.paths[0], points(0)[0])
    assert search.ranked(0, points(100)[0])[0].tolist() == [2, 3, 1]


def test_a_moved_candidate_changes_its_own_place_only(files, tmp_path):
    search = search_with(files, points(0, 30, 80, 120), files.paths[0], points(0)[0])
    assert search.ranked(3, points(120)[0])[0].tolist() == [1, 2, 3]
    rows, distances = search.ranked(3, points(10)[0])
    assert rows.tolist() == [3, 1, 2]
    np.testing.assert_allclose(distances[1:], 2 * np.sin(np.radians([15, 40])), atol=1e-6)


@pytest.mark.parametrize(
    "named, query, said",
    [("three", b"new", "the gallery has one, two"), ("two", bytes(9), "in the gallery it is one")],
    ids=["unknown", "another"],
)
def test_classes_that_cannot_be(files, tmp_path, named, query, said):
    with pytest.raises(UserError, match=said):
        search_with(files, points(0, 30, 80, 120), write(tmp_path, query), points(0)[0], named)


def test_a_flat_gallery_has_no_classes(files, tmp_path):
    flat = GalleryFolder(files.paths, None, ())
    with pytest.raises(UserError, match="without subfolders has no classes"):
        search_with(flat, points(0, 30, 80, 120), files.paths[0], points(0)[0], "one")
    search = GallerySearch(flat, points(0, 30, 80, 120), 0, False)
    assert search.same_class(1) is None and search.name_of(1) == "b.png"
