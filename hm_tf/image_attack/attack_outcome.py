"""Whether an attack on one image reached its aim, in words."""

from hm_tf.image_attack.attacked_ranking import STATES
from hm_tf.ranking_attacks.greedy_top1_translocation import TOP

UP, DOWN = ("CA+", "QA+", "TMA"), ("CA-", "QA-")
BEFORE, _, SAVED = STATES


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
    if name == "GTT":
        return _left_the_top(search.name_of(before.rows[0]), after.place_of(before.rows[0]))
    if name == "ES":
        return _another_nearest(*(search.name_of(ranking.rows[0]) for ranking in (before, after)))
    return _another_class(*(search.same_class(ranking.rows[0]) for ranking in (before, after)))


def _moved(up, image, count, before, after, target):
    start, end = before.place_of(target), after.place_of(target)
    if end == (1 if up else count):
        return f"reached: {image} is {'first' if up else 'last'} of {count}, from place {start}"
    if (end < start) if up else (end > start):
        return f"partly reached: {image} went from place {start} to {end} of {count}"
    return f"not reached: {image} is in place {end} of {count}, before the attack {start}"


def _left_the_top(image, place):
    if place > TOP:
        return f"reached: {image}, first before the attack, left the first {TOP}, to place {place}"
    return f"not reached: {image}, first before the attack, is in place {place}, of the first {TOP}"


def _another_nearest(start, end):
    if start != end:
        return f"reached: the nearest image is another one, {end}, not {start}"
    return f"not reached: the nearest image is still {start}"


def _another_class(right_before, right_after):
    if right_after:
        return "not reached: the nearest image is of the query's class"
    if right_before:
        return "reached: the nearest image is of another class"
    return "reached before the attack: the nearest image was of another class already"
