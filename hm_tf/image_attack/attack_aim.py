"""What an attack on a single image moves, and what it aims at."""

import itertools
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hm_tf.image_attack.gallery_search import UNKNOWN, find
from hm_tf.ranking_attacks import registry
from hm_tf.ranking_attacks.gallery import Gallery
from hm_tf.ranking_attacks.gallery_check import SMALLEST, check_unit_vectors
from robust_tf import randomness
from robust_tf.errors import UserError

# These move a gallery image in the ranking of the query; all others move the query.
MOVES_CANDIDATE = ("CA+", "CA-")
TAKES_CANDIDATE = ("QA+", "QA-", "TMA")
NEEDS_CLASSES = ("LTM", "GTM")


class Aim(NamedTuple):
    """One attack, ready to run.

    Attributes:
        moved: the row of the image that is moved.
        target: the row whose place in the ranking of the query is of interest; None without one.
        gallery: `Gallery`.
        chosen: Result of `RankingAttack.select` for the one image.
        drawn: whether nobody named the target.
    """

    moved: int
    target: int | None
    gallery: Gallery
    chosen: tuple
    drawn: bool = False

    @property
    def rows(self):
        """int32 [1], as `RankingAttack` takes it."""
        return tf.constant([self.moved], tf.int32)


def aim(attack, search, candidate=None, seed=0):
    """Returns the `Aim` of an attack.

    Args:
        attack: `RankingAttack`.
        search: `GallerySearch`.
        candidate: path of an image of the gallery; None leaves it to the attack.
        seed: int, seed of the attack's choice then.

    Raises:
        UserError: a gallery that the attack cannot use; see also `check_candidate`.
    """
    check_candidate(attack.name, candidate)
    _check(attack.name, search)
    other = None if candidate is None else _row_of(search, candidate)
    labels = search.files.labels
    if labels is None:
        labels = np.arange(len(search.embeddings))  # no two of one class
    gallery = Gallery(search.embeddings, labels)
    if attack.name in MOVES_CANDIDATE:
        return Aim(other, other, gallery, (tf.constant([search.query], tf.int32),))
    if other is not None:
        return Aim(search.query, other, gallery, (tf.constant([other], tf.int32),))
    return _left_to_the_attack(attack, search, gallery, seed)


def check_candidate(name, candidate):
    """Raises the `UserError` of a candidate that is too many, missing, or cannot be read.

    Args:
        name: Name of the attack.
        candidate: path of an image, or None.
    """
    if candidate is None and name in MOVES_CANDIDATE:
        raise UserError(
            f"--attack={name.lower()} moves an image of the gallery in the ranking of the query; "
            "name it: --candidate=IMG"
        )
    if candidate is not None and name not in MOVES_CANDIDATE + TAKES_CANDIDATE:
        allowed = ", ".join(MOVES_CANDIDATE + TAKES_CANDIDATE).lower()
        raise UserError(f"--candidate goes with --attack={allowed}, not {name.lower()}")
    if candidate and not (os.path.isfile(candidate) and os.access(candidate, os.R_OK)):
        raise UserError(f"--candidate={candidate} cannot be read; name an image of the gallery")


def _left_to_the_attack(attack, search, gallery, seed):
    rows = tf.constant([search.query], tf.int32)
    if attack.name not in TAKES_CANDIDATE:
        return Aim(search.query, None, gallery, attack.select(gallery, rows, _key(attack, seed)))
    # In compat the query itself can be the nearest to a copy of it, and so the only candidate.
    draw_from = registry.get(attack.name, "fixed")
    for draw in itertools.count():  # the query is at most one of six: this ends
        chosen = draw_from.select(gallery, rows, _key(attack, seed, draw))
        other = int(chosen[0][0])
        if other != search.query:
            return Aim(search.query, other, gallery, chosen, drawn=True)


def _key(attack, seed, draw=0):
    return randomness.key(seed, draw, f"aim of {attack.name}")


def _check(name, search):
    """Raises UserError where the gallery lacks what the attack needs."""
    size = len(search.embeddings)
    if size < SMALLEST:
        raise UserError(
            f"--gallery has {size - 1} image{'s' * (size != 2)} besides the query; the attacks "
            f"need at least {SMALLEST - 1}"
        )
    check_unit_vectors(search.embeddings)
    if name in NEEDS_CLASSES:
        flag, labels = f"--attack={name.lower()}", search.files.labels
        if labels is None:
            raise UserError(f"{flag} needs classes: a gallery with one subfolder per class")
        if labels[search.query] == UNKNOWN:
            raise UserError(f"{flag} needs the class of the query: --query_class=SUBFOLDER")
        same = labels == labels[search.query]
        if same.all() or same.sum() < 2:
            none = "another class" if same.all() else "the query's class besides it"
            raise UserError(f"{flag}: the gallery has no image of {none}; add some")


def _row_of(search, candidate):
    row = find(search.files, candidate)
    if row is None:
        raise UserError(f"--candidate={candidate} is no image of the gallery")
    if row == search.query:
        raise UserError(f"--candidate={candidate} is the query itself")
    return row
