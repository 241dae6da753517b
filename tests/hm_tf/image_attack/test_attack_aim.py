"""What an attack on a single image is about, and galleries it cannot use."""

import numpy as np
import pytest

from hm_tf import attack
from hm_tf.image_attack.attack_aim import aim
from hm_tf.image_attack.gallery_search import GallerySearch
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
    assert (
        aim(get("QA+"), search).drawn and not aim(get("QA+"), search, search.files.paths[6]).drawn
    )
    assert {aim(get("QA-"), search, seed=seed).target for seed in range(3)} <= {2, 4}


def test_what_needs_no_candidate(search):
    for name in ("ES", "LTM", "GTM", "GTT"):
        assert aim(get(name), search).target is None
    flat = relabelled(search, None)
    assert aim(get("GTT"), flat).chosen[0].numpy()[0] in (2, 4)  # the nearest


def copied(search):
    """The query beside the same image in another file, the first of the gallery."""
    embeddings = np.roll(search.embeddings, 3, axis=0)
    embeddings[0] = embeddings[-1]
    return search._replace(embeddings=embeddings, query=SIZE - 1)


def collapsed(search):
    return search._replace(embeddings=np.tile(np.float32([[1, 0]]), [SIZE, 1]))


@pytest.mark.parametrize("name", ["QA+", "QA-", "TMA"])
@pytest.mark.parametrize("mode", ["compat", "fixed"])
@pytest.mark.parametrize("change", [copied, collapsed])
def test_the_query_is_never_its_own_aim(search, name, mode, change):
    changed = change(search)
    for seed in range(8):
        found = aim(registry.get(name, mode), changed, seed=seed)
        assert found.target != changed.query and 0 <= found.target < SIZE
        if name == "QA-" and change is copied:
            assert found.target == 0


@pytest.mark.parametrize("name", registry.NAMES)
@pytest.mark.parametrize(
    "value, said", [(np.nan, "embeddings are not finite"), (3.0, "embeddings are not of length 1")]
)
def test_broken_embeddings_are_refused_by_every_attack(search, name, value, said):
    broken = search.embeddings.copy()
    broken[6] *= value
    candidate = search.files.paths[5] if name in ("CA+", "CA-") else None
    refused(name, search._replace(embeddings=broken), candidate, said)


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


def test_a_missing_candidate_is_found_before_the_run_is_opened(capsys):
    flags = "--workdir=nowhere", "--query=a.png", "--gallery=photos", "--attack=ca+"
    assert attack.main(["attack", *flags]) == 2
    assert "name it: --candidate=IMG" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["LTM", "GTM"])
def test_galleries_without_the_classes_that_it_needs(search, name):
    refused(name, relabelled(search, None), None, "needs classes: a gallery with one subfolder")
    refused(name, relabelled(search, [0, 1, 0, -1, 0, 1, 0, 1]), None, "--query_class=SUBFOLDER")
    refused(name, relabelled(search, [0] * SIZE), None, "no image of another class")
    refused(
        name,
        relabelled(search, [0, 0, 0, 1, 0, 0, 0, 0]),
        None,
        "no image of the query's class besides it",
    )


def test_a_gallery_that_is_too_small(search):
    files = GalleryFolder(search.files.paths[:5], search.files.labels[:5], ("even", "odd"))
    small = search._replace(files=files, embeddings=search.embeddings[:5])
    refused("ES", small, None, "has 4 images besides the query; the attacks need at least 5")
