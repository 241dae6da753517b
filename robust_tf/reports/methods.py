"""Runs that differ in nothing but their seed are one method; what differs between methods.

`compared` is a function (flags) -> names of the flags that a training reads.
"""

import itertools
import statistics
from typing import NamedTuple

from robust_tf.reports.comparability import differing, words
from robust_tf.reports.recorded_run import below_their_folder

# What matters most in a training stands first.
FIRST: tuple[str, ...] = ("dataset", "model", "init_weights", "train_steps", "batch_size", "eps")
FIRST += ("norm", "attack_steps", "pgd_steps", "limit_train")
IN_NAME = 2  # flags that tell methods of one title apart
FEW = 2  # methods that are named beside a value that they share


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

    @property
    def title(self):
        """The name with the number of seeds."""
        return f"{self.name} ({len(self.runs)} seeds)" if len(self.runs) > 1 else self.name


def methods_of(runs, titles, compared):
    """Returns the list of `Method`.

    Args:
        runs: list of `RecordedRun` with results.
        titles: list of str, the name of the method of each run.
        compared: see above.
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
    names = _names(groups, compared)
    return [method._replace(name=name) for name, method in zip(names, groups, strict=True)]


def names_by_weights(methods):
    """Returns dict hash of the weights -> name of the method, of a list of `Method`."""
    return {run.results[0].weights_hash: method.name for method in methods for run in method.runs}


def training_differences(methods, compared):
    """Returns what differs in a list of `Method`, list of str: "train_steps 300 (AT), 600 (TLA)".

    A method whose training does not read the flag is left out.
    """

    def both(flags, others):
        return compared(flags) & compared(others)

    def of(flag):
        names = {}
        for method in methods:
            if flag in compared(method.flags):
                names.setdefault(words(method.flags.get(flag)), []).append(method.name)
        return ", ".join(
            f"{value} ({', '.join(own) if len(own) <= FEW else f'{len(own)} methods'})"
            for value, own in names.items()
        )

    return [f"{flag} {of(flag)}" for flag in _differing([method.flags for method in methods], both)]


def _differing(flags, counts):
    """Names of the flags in which two of the trainings differ, the most important first."""
    names = {
        name
        for own, others in itertools.combinations(flags, 2)
        for name in differing(own, others, compared=counts(own, others))
    }
    order = [*FIRST, *dict.fromkeys(itertools.chain(*flags))]
    return sorted(names, key=order.index)


def _names(methods, compared):
    """The titles; titles that are alike have the flags that differ, or else the folder."""
    names = [method.name for method in methods]
    for title in {name for name in names if names.count(name) > 1}:
        alike = [number for number, name in enumerate(names) if name == title]
        for number, name in zip(alike, _told_apart([methods[i] for i in alike], compared)):
            names[number] = name
    return names


def _told_apart(methods, compared):
    """Names of methods of one title: by two flags, by their unusual flags, or by folders.

    A run of an older version has no value of a newer flag, and none in its name.
    """
    flags = [method.flags for method in methods]
    apart = _differing(flags, lambda *both: set.union(*map(set, map(compared, both))))
    values = {name: [words(own.get(name)) for own in flags] for name in apart}
    usual = {name: statistics.mode(found) for name, found in values.items()}
    by_two = [apart[:IN_NAME]] * len(methods)
    unusual = [[n for n in apart if values[n][i] != usual[n]] for i in range(len(methods))]
    for chosen in (by_two, unusual):
        named = [
            ", ".join([method.name, *(f"{n} {values[n][i]}" for n in names if n in flags[i])])
            for i, (method, names) in enumerate(zip(methods, chosen, strict=True))
        ]
        if len(set(named)) == len(named):
            return named
    places = below_their_folder(method.runs[0].path for method in methods)
    return [f"{method.name}, {place}" for method, place in zip(methods, places, strict=True)]


def _seed(run):
    return run.results[0].training_seed
