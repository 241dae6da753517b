"""What tells measurements of one attack apart, in words: titles of rows, numbers that share no row.

A place is a tuple that begins with the title of an attack or metric; equal measurements have one.
"""

import itertools

from robust_tf.reports.comparability import words
from robust_tf.threat_model import format_magnitude

NAMED = 3  # attacks that one sentence names
OVER = "over"  # setting of a worst case
FIRST = ("n", "eps", "norm", "steps")  # told alone where they suffice


def row_titles(results):
    """Returns dict place -> title, which says no more than it takes to tell the rows apart.

    Args:
        results: dict place -> a `Result` of the row.
    """
    titles = {}
    for title in dict.fromkeys(place[0] for place in results):
        same = _facts_apart({place: r for place, r in results.items() if place[0] == title})
        for chosen in (FIRST, None):
            named = {
                place: ", ".join([title, *_apart(own, same.values(), chosen)])
                for place, own in same.items()
            }
            if len(set(named.values())) == len(named):
                break
        titles |= named
    return titles


def measuring_differences(results, names):
    """Returns what keeps numbers of one attack out of one row, and who has an attack alone.

    A worst case is left out: it follows from the attacks.

    Args:
        results: dict place -> dict name of a method -> `Result`.
        names: list of the names of all methods.

    Returns:
        list of str: "pgd: n 360 (AT), 100 (TLA)", "square of AT only".
    """
    unlike, alone = {}, {}
    for title in dict.fromkeys(place[0] for place in results):
        rows = [of for place, of in results.items() if place[0] == title]
        first = {name: result for of in reversed(rows) for name, result in of.items()}
        if any(OVER in result.attack_settings for result in first.values()):
            continue
        having = tuple(name for name in names if name in first)
        if len(having) < len(names):
            alone.setdefault(having, []).append(title)
        if not any(of.keys() >= {*having} for of in rows):
            unlike.setdefault(_unlike({name: first[name] for name in having}), []).append(title)
    said = [f"{_some(titles)}: {facts}" for facts, titles in unlike.items()]
    return said + [f"{_some(titles)} of {', '.join(of)} only" for of, titles in alone.items()]


def _facts_apart(results):
    """dict place -> `_facts`, without the attacks that all of the worst cases are over."""
    over = [{*result.attack_settings.get(OVER, ())} for result in results.values()]
    shared = set.intersection(*over)
    return {place: _facts(result, shared) for place, result in results.items()}


def _facts(result, shared=()):
    """Name -> value in words, the most telling first."""
    settings, ball = result.attack_settings, dict(result.threat_model)
    if ball:
        ball["eps"] = format_magnitude(ball["eps"])
    if OVER in settings:
        settings = {**settings, OVER: [name for name in settings[OVER] if name not in shared]}
    steps = {name: value for name, value in settings.items() if name == "steps"}
    own = {"precision": result.precision, "after": list(result.after)}
    facts = {"n": f"{result.n:,}", **ball, **steps, **own, **settings}
    return {name: words(value) for name, value in facts.items()}


def _apart(own, same, chosen):
    """Yields those facts of a measurement, all or the chosen, in which the `same` differ."""
    for name, value in own.items():
        if (chosen is None or name in chosen) and len({of.get(name) for of in same}) > 1:
            yield {"norm": value, "steps": f"{value} steps"}.get(name, f"{name} {value}")


def _unlike(results):
    """The facts in which measurements of methods differ, "n 360 (AT), 100 (TLA)"."""
    facts = {name: _facts(result) for name, result in results.items()}
    return "; ".join(
        f"{fact} " + ", ".join(f"{own.get(fact, 'none')} ({name})" for name, own in facts.items())
        for fact in dict.fromkeys(itertools.chain(*facts.values()))
        if len({own.get(fact, "none") for own in facts.values()}) > 1
    )


def _some(titles):
    more = f" and {len(titles) - NAMED} more" if len(titles) > NAMED else ""
    return f"{', '.join(titles[:NAMED])}{more}"
