"""Methods against attacks: values, differences, and which method is ahead."""

import itertools
import json
import statistics
from typing import Any, NamedTuple

import numpy as np

from robust_tf.reports.comparability import differing, words
from robust_tf.reports.difference import Difference, of_images, of_seeds, of_shares
from robust_tf.reports.result_tables import doubts
from robust_tf.threat_model import format_magnitude

# What matters most in a training stands first.
FIRST: tuple[str, ...] = ("dataset", "model", "init_weights", "train_steps", "batch_size", "eps")
FIRST += ("norm", "attack_steps", "pgd_steps", "limit_train")


class Method(NamedTuple):
    """Runs that differ in nothing but their seed.

    Attributes:
        name: str, unlike every other method's.
        runs: list of `RecordedRun` with results, one per seed.
    """

    name: str
    runs: list

    @property
    def flags(self):
        """dict of the flags of the training."""
        return self.runs[0].flags


class Entry(NamedTuple):
    """One number of a run.

    Attributes:
        title: Title of the attack or metric.
        result: `Result`.
        outcome: (bool or float [n], what was measured on), see `Outcomes`; None if unknown.
        scale: factor of the printed value, 100 for percent.
        higher_is_better: bool.
    """

    title: str
    result: Any
    outcome: tuple | None = None
    scale: float = 100.0
    higher_is_better: bool = True


class Cell(NamedTuple):
    """What a method has reached.

    Attributes:
        entries: list of `Entry`, one per seed that has the measurement, not empty.
        seeds: int, how many seeds the method has.
    """

    entries: list
    seeds: int

    @property
    def values(self):
        """List of float, one per seed, as printed."""
        return [entry.scale * entry.result.value for entry in self.entries]

    @property
    def value(self):
        """The mean over seeds."""
        return statistics.mean(self.values)

    @property
    def outcome(self):
        """bool or float [n], image by image; of several seeds the mean."""
        arrays = [entry.outcome[0] for entry in self.entries]
        return arrays[0] if len(arrays) == 1 else np.mean(arrays, axis=0)

    @property
    def spread(self):
        """The sample standard deviation over seeds; None of one seed."""
        return statistics.stdev(self.values) if len(self.entries) > 1 else None

    @property
    def interval(self):
        """(low, high), the 95 % interval of one seed, mean ± spread of several; or None."""
        if self.spread is not None:
            return self.value - self.spread, self.value + self.spread
        bounds = self.entries[0].result.interval
        return tuple(self.entries[0].scale * bound for bound in bounds) if bounds else None

    @property
    def warnings(self):
        """What the evaluation doubts in these numbers, tuple of str."""
        return tuple(dict.fromkeys(m for entry in self.entries for m in doubts(entry.result)))


class Row(NamedTuple):
    """One measurement.

    Attributes:
        title: str, unlike every other row's.
        n: int, images.
        cells: dict name of a method -> `Cell`.
        missing: tuple of the names of the methods without this measurement.
    """

    title: str
    n: int
    cells: dict
    missing: tuple = ()

    @property
    def first(self):
        """An `Entry` of the row."""
        return next(iter(self.cells.values())).entries[0]

    @property
    def over(self):
        """The attacks that a worst case is over, () of one attack."""
        return tuple(self.first.result.attack_settings.get("over", ()))

    @property
    def complete(self):
        """Whether every seed of every method has the measurement."""
        seeds = (len(cell.entries) == cell.seeds for cell in self.cells.values())
        return not self.missing and all(seeds)

    @property
    def attacked(self):
        """Whether there was an attack."""
        return bool(self.first.result.threat_model)

    def difference(self, first, second):
        """Returns the `Difference`, the method `second` minus the method `first`, as printed."""
        return difference(self.cells[first], self.cells[second])


def difference(first, second):
    """Returns the `Difference` of two `Cell`s, in the unit of the printed values."""
    if min(len(first.entries), len(second.entries)) > 1:
        return of_seeds(first.values, second.values)
    a, b, scale = first.entries[0], second.entries[0], first.entries[0].scale
    images = {entry.outcome and entry.outcome[1] for entry in first.entries + second.entries}
    if len(images) == 1 and None not in images:
        found = of_images(first.outcome, second.outcome)
    elif first.spread is not None or second.spread is not None:
        return of_seeds(first.values, second.values)
    elif a.result.interval and b.result.interval:
        found = of_shares(*((e.result.value, e.result.interval) for e in (a, b)))
    else:
        found = Difference(b.result.value - a.result.value)
    scaled = found.interval and tuple(scale * bound for bound in found.interval)
    return found._replace(value=scale * found.value, interval=scaled)


def methods_of(runs, titles, compared):
    """Returns the list of `Method`; runs that differ in their seed only are one.

    Args:
        runs: list of `RecordedRun` with results.
        titles: list of str, the name of the method of each run.
        compared: function (flags) -> names of the flags that this training reads.
    """
    groups = []
    for run, title in zip(runs, titles, strict=True):
        for method in groups:
            same = not differing(run.flags, method.flags, compared=compared(run.flags))
            if method.name == title and same and _seed(run) not in map(_seed, method.runs):
                method.runs.append(run)
                break
        else:
            groups.append(Method(title, [run]))
    return [Method(*named) for named in zip(_names(groups, compared), (m.runs for m in groups))]


def training_differences(methods, compared):
    """Returns what differs in the trainings, list of str: "train_steps 300 (AT), 600 (TLA)".

    Args:
        methods: list of `Method`.
        compared: function (flags) -> names of the flags that this training reads.
    """
    pairs = itertools.combinations([method.flags for method in methods], 2)
    names = dict.fromkeys(
        name
        for flags, others in pairs
        for name in differing(
            flags, others, compared=compared(flags) & compared(others), first=FIRST
        )
    )
    order = sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return [
        f"{name} " + ", ".join(f"{words(m.flags.get(name))} ({m.name})" for m in methods)
        for name in order
    ]


def matrix(methods, entries):
    """Returns the list of `Row`, one per measurement that two methods have, or the only method.

    Numbers stand in one row only where attack, settings, threat model, images and precision agree.

    Args:
        methods: list of `Method`.
        entries: function (`RecordedRun`) -> iterable of `Entry`.
    """
    found = {}
    for method in methods:
        for run in method.runs:
            for entry in entries(run):
                cells = found.setdefault(_measurement(entry), {})
                cells.setdefault(method.name, Cell([], len(method.runs))).entries.append(entry)
    enough = min(2, len(methods))
    shared = {place: cells for place, cells in found.items() if len(cells) >= enough}
    titles, names = _titles(shared), [method.name for method in methods]
    return [
        Row(titles[place], place[1], cells, tuple(name for name in names if name not in cells))
        for place, cells in shared.items()
    ]


def decisive(rows):
    """Returns the `Row` that decides who is ahead.

    Of the attacked rows with the metric of the first row and all methods and seeds: the worst case
    over the most attacks, without one the attack that leaves least. Without an attack the first row.

    Args:
        rows: list of `Row`, not empty.
    """
    metric = rows[0].first.result.metric
    attacked = [row for row in rows if row.attacked and row.first.result.metric == metric]
    attacked = [row for row in attacked if not row.missing] or attacked
    attacked = [row for row in attacked if row.complete] or attacked
    if not attacked:
        return rows[0]
    lowest = min(attacked, key=lambda row: min(cell.value for cell in row.cells.values()))
    return max([row for row in attacked if row.over] or [lowest], key=lambda row: len(row.over))


def verdicts(rows):
    """Returns the sentences on who is ahead, str.

    Where only some methods share a worst case over more attacks, it has a sentence of its own.

    Args:
        rows: list of `Row` of at least two methods, not empty.
    """
    first = decisive(rows)
    some = [row for row in rows if row.missing and len(row.over) > len(first.over) and row.attacked]
    more = max(some, key=lambda row: len(row.over), default=None)
    return " ".join(verdict(row) for row in (first, more) if row)


def verdict(row, unit="points"):
    """Returns the sentence on who is ahead in a `Row`, or that nothing is separated.

    Args:
        row: `Row` of at least two methods.
        unit: Unit of a difference.
    """
    sign = 1 if row.first.higher_is_better else -1
    ranked = sorted(row.cells, key=lambda name: -sign * row.cells[name].value)
    leader, *others = ranked
    found = {other: row.difference(other, leader) for other in others}
    ahead = [other for other in others if found[other].separated]
    level = [other for other in others if other not in ahead]
    if len(others) > 2:
        parts = [f"{leader} is ahead of {_listed(ahead, found, sign)}"] if ahead else []
        parts += [f"{leader} is not separated from {_listed(level, found, sign)}"] if level else []
        parts[-1] += f" ({unit}; intervals in the table)"
    else:
        parts = [f"{leader} is ahead of {o} by {said(found[o], unit, sign)}" for o in ahead]
        end = ", not separated" if ahead else ""
        parts += [f"{leader} − {o} is {said(found[o], unit, sign)}{end}" for o in level]
    tested = any(found[other].interval for other in others)
    start = "Nothing is separated: " if tested and not ahead else ""
    where = "under" if row.attacked else "in"
    return f"{start}{'; '.join(parts)}, {where} {row.title} on {row.n:,} images."


def _listed(names, found, sign):
    return ", ".join(f"{name} ({sign * found[name].value:+.2f})" for name in names)


def said(found, unit="points", sign=1):
    """Returns a `Difference` in words."""
    text = f"{sign * found.value:+.2f} {unit}"
    if not found.interval:
        return f"{text} (not tested)"
    low, high = sorted(sign * bound for bound in found.interval)
    test = found.test if found.p is None else f"{found.test} p = {found.p:.2g}"
    return f"{text} (95 % interval {low:+.2f} to {high:+.2f}, {test})"


def _seed(run):
    return run.results[0].training_seed


def _names(methods, compared):
    """The titles; where these are alike with the flags that differ, or else with the folder."""
    titles = [method.name for method in methods]
    if len(set(titles)) == len(titles):
        return titles
    flags = [method.flags for method in methods]
    counts = set().union(*map(compared, flags))
    apart = dict.fromkeys(
        n for f in flags[1:] for n in differing(f, flags[0], compared=counts, first=FIRST)
    )
    with_flags = [
        ", ".join([title, *(f"{name} {words(own.get(name))}" for name in list(apart)[:2])])
        for title, own in zip(titles, flags, strict=True)
    ]
    folders = [f"{m.name}, {m.runs[0].path}" for m in methods]
    return with_flags if len(set(with_flags)) == len(titles) else folders


def _measurement(entry):
    result = entry.result
    settings = {k: v for k, v in result.attack_settings.items() if k != "collapsed"}
    how = json.dumps([settings, result.threat_model, result.after], sort_keys=True)
    return entry.title, result.n, result.precision, how


def _titles(found):
    """Place -> title, which says no more than it takes to tell the rows apart."""
    titles = {}
    for place, cells in found.items():
        same = [other for other in found if other[0] == place[0]]
        result = next(iter(cells.values())).entries[0].result
        parts = [place[0]]
        if len({other[1] for other in same}) > 1:
            parts.append(f"n {place[1]:,}")
        if len(same) > 1 and result.threat_model:
            parts.append(f"eps {format_magnitude(result.threat_model['eps'])}")
        if len(same) > 1 and "steps" in result.attack_settings:
            parts.append(f"{result.attack_settings['steps']} steps")
        titles[place] = ", ".join(parts)
    return titles
