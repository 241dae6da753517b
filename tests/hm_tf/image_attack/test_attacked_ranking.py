"""What an attack on one image achieved, said of the saved file."""

import numpy as np
import pytest

from hm_tf.image_attack.attacked_ranking import STATES, Ranking, outcome
from hm_tf.image_attack.gallery_search import GallerySearch
from robust_tf.data.gallery_folder import GalleryFolder

BEFORE = [1, 2, 3, 4, 5, 6]
# name of the attack -> (its target, the ranking of the saved file, what is said)
CASES = {
    "up, first": ("QA+", 4, [4, 1, 2, 3, 5, 6], "reached: b/4.png is first of 6, from place 4"),
    "up": ("CA+", 4, [1, 4, 2, 3, 5, 6], "partly reached: b/4.png went from place 4 to 2 of 6"),
    "up, not": (
        "TMA",
        4,
        [1, 2, 3, 5, 4, 6],
        "not reached: b/4.png is in place 5 of 6, before the",
    ),
    "down, last": ("QA-", 1, [2, 3, 4, 5, 6, 1], "reached: a/1.png is last of 6, from place 1"),
    "down": ("CA-", 1, [2, 1, 3, 4, 5, 6], "partly reached: a/1.png went from place 1 to 2 of 6"),
    "down, not": ("QA-", 2, BEFORE, "not reached: a/2.png is in place 2 of 6"),
    "top": ("GTT", None, [2, 3, 4, 5, 1, 6], "reached: a/1.png, first before the attack, left the"),
    "top, not": ("GTT", None, [2, 3, 4, 1, 5, 6], "not reached: a/1.png, first before the attack"),
    "far": ("ES", None, [2, 1, 3, 4, 5, 6], "reached: the nearest image is another one, a/2.png"),
    "far, not": ("ES", None, BEFORE, "not reached: the nearest image is still a/1.png"),
    "class": ("GTM", None, [4, 1, 2, 3, 5, 6], "reached: the nearest image is of another class"),
    "class, not": ("LTM", None, [2, 1, 3, 4, 5, 6], "not reached: the nearest image is of the"),
}


@pytest.fixture
def search(tmp_path):
    """Image 0 is the query; 0 to 3 are of its class."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1], np.int32)
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    return GallerySearch(GalleryFolder(paths, labels, ("a", "b")), np.eye(7), 0, False)


def ranking(rows):
    return Ranking(np.array(rows), np.arange(6.0), {}, 0.0)


def of(saved, before=BEFORE, attacked=BEFORE):
    return dict(zip(STATES, map(ranking, (before, attacked, saved)), strict=True))


@pytest.mark.parametrize("name, target, saved, said", CASES.values(), ids=CASES)
def test_the_saved_file_decides(search, name, target, saved, said):
    assert outcome(name, of(saved), search, target).startswith(said)


def test_what_was_so_before_is_no_success(search):
    said = outcome("GTM", of([5, 1, 2, 3, 4, 6], before=[4, 1, 2, 3, 5, 6]), search, None)
    assert said.startswith("reached before the attack")
