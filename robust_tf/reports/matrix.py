"""Methods against attacks: values, spreads and differences of what was measured alike."""

import json
import statistics
from typing import Any, NamedTuple

import numpy as np

from robust_tf.reports.difference import (
    Difference,
    of_images,
    of_intervals,
    of_seeds,
    of_seeds_and_images,
)
from robust_tf.reports.measurements import measuring_differences, row_titles
from robust_tf.reports.methods import methods_of, training_differences
from robust_tf.reports.result_tables import doubts


class Entry(NamedTuple):
    """One number of a run.

    Attributes:
        title: Title of the attack or metric.
        result: `Result`.
        outcome: (bool or float [n], what was measured on), see `Outcomes`; None if unknown.
        scale: factor of the printed value, 100 for percent.
        higher_is_better: bool.
        sums_up: whether it is a score over all attacks.
    """

    title: str
    result: Any
    outcome: tuple | None = None
    scale: float = 100.0
    higher_is_better: bool = True
    sums_up: bool = False


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
    def by_seed(self):
        """dict training seed -> value as printed."""
        seeds = (entry.result.training_seed for entry in self.entries)
        return dict(zip(seeds, self.values, strict=True))

    @property
    def value(self):
        """The mean over seeds."""
        return statistics.mean(self.values)

    @property
    def outcomes(self):
        """bool or float [seeds, n], image by image, in the order of the seeds."""
        entries = sorted(self.entries, key=lambda entry: entry.result.training_seed)
        return np.stack([entry.outcome[0] for entry in entries])

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
        """Returns the `Difference`, method `second` minus `first`; None where one is missing."""
        if {first, second} & {*self.missing}:
            return None
        return difference(self.cells[first], self.cells[second])


class Matrix(NamedTuple):
    """Methods against measurements.

    Attributes:
        methods: list of `Method`.
        rows: list of `Row`, one per measurement that two methods have, or the only method.
        trainings, measurements: list of str, what differs in them.
    """

    methods: list
    rows: list
    trainings: list
    measurements: list

    @property
    def names(self):
        """The names of the methods."""
        return [method.name for method in self.methods]


def difference(first, second):
    """Returns the `Difference` of two `Cell`s, in the unit of the printed values."""
    a, b, scale = first.entries[0], second.entries[0], first.entries[0].scale
    images = {entry.outcome and entry.outcome[1] for entry in first.entries + second.entries}
    same_images = len(images) == 1 and None not in images
    several = max(len(first.entries), len(second.entries)) > 1
    if same_images and several:
        same_seeds = first.by_seed.keys() == second.by_seed.keys()
        found = of_seeds_and_images(first.outcomes, second.outcomes, same_seeds)
    elif same_images:
        found = of_images(*first.outcomes, *second.outcomes)
    elif first.spread is not None or second.spread is not None:
        return of_seeds(first.by_seed, second.by_seed)
    elif a.result.interval and b.result.interval:
        found = of_intervals(*((e.result.value, e.result.interval) for e in (a, b)))
    else:
        found = Difference(b.result.value - a.result.value)
    scaled = found.interval and tuple(scale * bound for bound in found.interval)
    return found._replace(value=scale * found.value, interval=scaled)


def matrix(runs, titles, compared, entries):
    """Returns the `Matrix` of runs.

    Numbers stand in one row only where attack, settings, threat model, images and precision agree.

    Args:
        runs, titles, compared: see `methods_of`.
        entries: function (`RecordedRun`) -> iterable of `Entry`.
    """
    methods, found = methods_of(runs, titles, compared), {}
    for method in methods:
        for run in method.runs:
            for entry in entries(run):
                cells = found.setdefault(_measurement(entry), {})
                cells.setdefault(method.name, Cell([], len(method.runs))).entries.append(entry)
    names, enough = [method.name for method in methods], min(2, len(methods))
    shared = {place: cells for place, cells in found.items() if len(cells) >= enough}
    results = {
        place: {name: cell.entries[0].result for name, cell in cells.items()}
        for place, cells in found.items()
    }
    named = row_titles({place: next(iter(results[place].values())) for place in shared})
    rows = [
        Row(named[place], place[1], cells, tuple(name for name in names if name not in cells))
        for place, cells in shared.items()
    ]
    trainings = training_differences(methods, compared)
    return Matrix(methods, rows, trainings, measuring_differences(results, names))


def _measurement(entry):
    result = entry.result
    settings = {k: v for k, v in result.attack_settings.items() if k != "collapsed"}
    how = json.dumps([settings, result.threat_model, result.after], sort_keys=True)
    return entry.title, result.n, result.precision, how
