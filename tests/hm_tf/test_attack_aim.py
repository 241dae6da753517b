"""What an attack on a single image is about, and galleries it cannot use."""

import numpy as np
import pytest

from hm_tf.own_gallery.attack_aim import aim
from hm_tf.own_gallery.gallery_search import GallerySearch
from hm_tf.ranking_attacks import registry
from robust_tf.data.gallery_folder import GalleryFolder
from robust_tf.errors import UserError

SIZE, QUERY = 8, 3


@pytest.fixture
def search(tmp_path):
    """Eight images on a circle, classes 0 and 1 in turn; image 3 is the query."""
    paths = [tmp_path / f"{number}.png" for number in range(SIZE)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    angles = np.radians(40.0 * np.arange(SIZE))
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = (np.arange(SIZE) % 2).astype(np.int32)
    return GallerySearch(GalleryFolder(paths, labels, ("even", "odd")), embeddings, QUERY, False)


def relabelled(search, labels):
    names = search.files.class_names if labels is not None else ()
    labels = None if labels is None else np.array(labels, np.int32)
    return search._replace(files=GalleryFolder(search.files.paths, labels, names))


def get(name):
    return registry.get(name, "fixed")


def test_candidates_that_are_named(search):
    path = search.files.paths[6]
    moves_query = aim(get("QA+"), search, path)
    assert (moves_query.moved, moves_query.target) == (QUERY, 6)
    assert moves_query.rows.numpy() == [QUERY] and moves_query.chosen[0].numpy() == [6]
    moves_candidate = aim(get("CA-"), search, path)
    assert (moves_candidate.moved, moves_candidate.target) == (6, 6)
    assert moves_candidate.rows.numpy() == [6] and moves_candidate.chosen[0].numpy() == [QUERY]


def test_candidates_that_are_drawn(search):
    found = [aim(get("QA+"), search, seed=seed).target for seed in range(40)]
    assert set(found) == set(range(SIZE)) - {QUERY}
    assert found[:5] == [aim(get("QA+"), search, seed=seed).target for seed in range(5)]
    assert {aim(get("QA-"), search, seed=seed).target for seed in range(3)} <= {2, 4}


def test_what_needs_no_candidate(search):
    for name in ("ES", "LTM", "GTM", "GTT"):
        assert aim(get(name), search).target is None
    flat = relabelled(search, None)
    assert aim(get("GTT"), flat).chosen[0].numpy()[0] in (2, 4)  # the nearest


def refused(name, search, candidate, said):
    with pytest.raises(UserError, match=said):
        aim(get(name), search, candidate)


def test_candidates_that_cannot_be(search, tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")
    refused("CA+", search, None, "name it: --candidate=IMG")
    refused("ES", search, search.files.paths[0], r"goes with --attack=ca\+, ca-")
    refused("QA+", search, other, "is no image of the gallery")
    refused("QA+", search, search.files.paths[QUERY], "is the query itself")
    refused("QA+", search, tmp_path / "nowhere.png", "cannot be read")


@pytest.mark.parametrize("name", ["LTM", "GTM"])
def test_galleries_without_the_classes_that_it_needs(search, name):
    refused(name, relabelled(search, None), None, "needs classes: a gallery with one subfolder")
    refused(name, relabelled(search, [0, 1, 0, -1, 0, 1, 0, 1]), None, "--query_class=SUBFOLDER")
    refused(name, relabelled(search, [0] * SIZE), None, "one class only")
    refused(name, relabelled(search, [0, 0, 0, 1, 0, 0, 0, 0]), None, "no other image of their")


def test_a_gallery_that_is_too_small(search):
    files = GalleryFolder(search.files.paths[:5], search.files.labels[:5], ("even", "odd"))
    small = search._replace(files=files, embeddings=search.embeddings[:5])
    refused("ES", small, None, "has 5 images with the query; the attacks need at least 6")
