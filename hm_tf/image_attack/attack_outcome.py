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
