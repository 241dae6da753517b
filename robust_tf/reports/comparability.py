"""What keeps two trainings from being compared: the settings that differ."""

import math

from robust_tf.threat_model import parse_magnitude


def differing(flags, others, *, compared, first=()):
    """Returns dict name -> (value of `flags`, value of `others`), the most important first.

    Args:
        flags, others: dicts of resolved flags; a flag that either lacks is not compared.
        compared: names of the flags that count.
        first: names in the order of their importance; all others follow.
    """
    names = [name for name in others if name in flags and name in compared]
    places = {name: place for place, name in enumerate(first)}
    return {
        name: (flags[name], others[name])
        for name in sorted(names, key=lambda name: places.get(name, len(first)))
        if plain(flags[name]) != plain(others[name])
    }


def training_differences(flags, published, **settings):
    """Returns what was trained otherwise than a published row, list of str.

    Args:
        flags, published: dicts of resolved flags: of the run, and to reproduce the row.
        settings: `compared` and `first` of `differing`.
    """
    found = differing(flags, published, **settings)
    return unlike((name, words(ours), words(theirs)) for name, (ours, theirs) in found.items())


def unlike(facts):
    """Returns which of the facts, (name, ours, theirs), differ, list of str: "n 9, not 10"."""
    return [f"{name} {ours}, not {theirs}" for name, ours, theirs in facts if ours != theirs]


def in_ball(result, eps, norm):
    """Whether a `Result` has the radius `eps`, as number or text, and the norm."""
    ball = result.threat_model
    same_norm = ball.get("norm") == norm
    return same_norm and math.isclose(ball["eps"], parse_magnitude(eps), rel_tol=1e-6)


def plain(value):
    """Returns a flag's value; one number written in two ways is the same."""
    values = value if isinstance(value, list) else [value]
    try:
        return [parse_magnitude(one) for one in values]
    except ValueError:
        return values


def words(value):
    """Returns a flag's value as text."""
    if value is None or value == []:
        return "none"
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)
