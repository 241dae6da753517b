"""The ranking of a query before an attack, after it, and with the image as an 8-bit file.

`outcome` says in words what an attack has reached.
"""

from typing import NamedTuple

import numpy as np

from hm_tf.evaluation.robustness_score import COLUMNS, printed
from hm_tf.ranking_attacks.greedy_top1_translocation import TOP
from robust_tf.reports.table import aligned

STATES = BEFORE, _, SAVED = "before", "after", "saved file"
# Which attacks move an image up, which down in a ranking.
UP, DOWN = ("CA+", "QA+", "TMA"), ("CA-", "QA-")


class Ranking(NamedTuple):
    """What the query finds in one state.

    Attributes:
        rows, distances: Ranking of all images but the query, nearest first.
        measured: what the attack's record would say, name with unit -> printed value.
        shift: how far the moved image's embedding is from the clean one.
    """

    rows: np.ndarray
    distances: np.ndarray
    measured: dict
    shift: float

    def place_of(self, row):
        """The place of an image in the ranking, from 1 on."""
        return 1 + int(np.flatnonzero(self.rows == row)[0])


def attacked_ranking(attack, search, aim, embedding, earlier=None):
    """Returns the `Ranking` in one state.

    Args:
        attack: `RankingAttack`.
        search: `GallerySearch`.
        aim: `Aim`.
        embedding: float32 [d], embedding of the attacked image in this state.
        earlier: See `RankingAttack.measure`, [d] or None.
    """
    rows, distances = search.ranked(aim.moved, embedding)
    early = {} if earlier is None else {"earlier": earlier[None]}
    values = attack.measure(embedding[None], aim.gallery, aim.rows, aim.chosen, **early)
    measured = {}
    for measure, value in zip(attack.measures, values, strict=True):
        if measure == "R@1" and search.same_class(search.query) is None:
            continue  # nobody knows what would be right
        column = next(c for c in COLUMNS if (c.attack, c.measure) == (attack.name, measure))
        name = f"{column.name}: {measure}{' %' if column.percent else ''}"
        measured[name] = printed(column, float(value[0]))
    shift = float(np.linalg.norm(embedding - search.embeddings[aim.moved]))
    return Ranking(rows, distances, measured, shift)


def ranking_table(rankings, search, target):
    """Returns the rankings as aligned text.

    Args:
        rankings: dict state -> `Ranking`.
        search: `GallerySearch`.
        target: the row whose place is of interest, or None.
    """
    found = list(rankings.values())
    lines = [(name, *(f"{r.measured[name]:.3f}" for r in found)) for name in found[0].measured]
    if target is not None:
        places = (f"{r.place_of(target)} of {len(r.rows)}" for r in found)
        lines.append((f"place of {search.name_of(target)}", *places))
    lines.append(("nearest image", *(search.name_of(r.rows[0]) for r in found)))
    lines.append(("embedding moved by", *(f"{r.shift:.4f}" for r in found)))
    return aligned(("", *rankings), lines)


def outcome(name, rankings, search, target):
    """Returns a sentence on the saved file, all that an attacker has in the end.

    Args:
        name: Name of the attack.
        rankings: dict state -> `Ranking`, of `STATES`.
        search: `GallerySearch`.
        target: See `Aim`.
    """
    before, after = rankings[BEFORE], rankings[SAVED]
    if name in UP + DOWN:
        return _moved(name in UP, search.name_of(target), len(after.rows), before, after, target)
    start, end = before.rows[0], after.rows[0]
    if name == "GTT":
        place, image = after.place_of(start), f"{search.name_of(start)}, first before the attack,"
        if place > TOP:
            return f"reached: {image} left the first {TOP}, to place {place}"
        return f"not reached: {image} is in place {place}, of the first {TOP}"
    if name == "ES":
        start, end = search.name_of(start), search.name_of(end)
        if start != end:
            return f"reached: the nearest image is another one, {end}, not {start}"
        return f"not reached: the nearest image is still {start}"
    if search.same_class(end):
        return "not reached: the nearest image is of the query's class"
    if search.same_class(start):
        return "reached: the nearest image is of another class"
    return "reached before the attack: the nearest image was of another class already"


def _moved(up, image, count, before, after, target):
    start, end = before.place_of(target), after.place_of(target)
    if end == (1 if up else count):
        return f"reached: {image} is {'first' if up else 'last'} of {count}, from place {start}"
    if (end < start) if up else (end > start):
        return f"partly reached: {image} went from place {start} to {end} of {count}"
    return f"not reached: {image} is in place {end} of {count}, before the attack {start}"
