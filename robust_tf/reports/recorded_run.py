"""What a run stored, as reports read it: flags, results, checks, metrics; nothing is measured."""

import dataclasses
import json
import os
import pathlib
import shlex

from robust_tf.checks.sanity_checks import NOT_RUN
from robust_tf.errors import UserError
from robust_tf.evaluation.reference_images import reference_share
from robust_tf.reports.same_data import require_same_data
from robust_tf.results.check_records import read_checks
from robust_tf.results.result import read_results
from robust_tf.runs import provenance
from robust_tf.runs.run_folder import RunFolder


class RecordedRun:
    """A run folder, or what its records alone say.

    Attributes:
        path: pathlib.Path, the folder or the file of the records.
        measured: list of `Result` of the weights measured last, in the order of measurement.
        results: the latest of `measured` per measurement. Of a repeated measurement the one of the
            most images counts, and one that used all training images before any other.
        config: dict of flags, segments and class_names; {} where only records are known.

    Args:
        path: pathlib.Path or str.
        results: list of `Result` of one network, in the order of measurement.
        config: dict.
        checks: path of the records of checks; default: in the folder.
    """

    def __init__(self, path, results, config, checks=None):
        self.path, self.config = pathlib.Path(path), config
        self._checks = checks or self.path / "checks.jsonl"
        last = results[-1].weights_hash if results else None
        self.measured = [result for result in results if result.weights_hash == last]
        best = {}
        for result in self.measured:
            before = best.get(_measurement(result))
            if before is None or _size(result) >= _size(before):
                best[_measurement(result)] = result
        self.results = list(best.values())

    @property
    def flags(self):
        """dict of the flags of the training; {} where only records without them are known."""
        return self.config.get("flags", {})

    def segments(self):
        """Returns what the training ran under, see `provenance.segments`."""
        return provenance.segments(self.config)

    def metrics(self):
        """Returns the lines of metrics.jsonl as dicts."""
        return RunFolder(self.path).read_metrics()

    def checks(self):
        """Returns the checks, as dicts, in the threat model checked last; see `check_groups`."""
        return (self.check_groups() or [[]])[-1]

    def check_groups(self):
        """Returns the latest checks of the measured weights, a list for each threat model.

        A check that was not run never replaces one that was.
        """
        lines = read_checks(self._checks)
        hashes = {result.weights_hash for result in self.results}
        groups = {}
        for check in (line for line in lines if line["weights_hash"] in hashes):
            ball = json.dumps(check.get("threat_model"), sort_keys=True)
            # The threat model checked last goes to the end.
            group = groups[ball] = groups.pop(ball, {})
            if check["figure"] != NOT_RUN or check["name"] not in group:
                group[check["name"]] = check
        return [list(group.values()) for group in groups.values()]

    def red_checks(self, threat_model):
        """Returns the red checks in a threat model, list of dicts.

        Args:
            threat_model: dict, see `Result`; older checks name none and count for all.
        """
        return [
            check
            for group in self.check_groups()
            for check in group
            if check["status"] == "red" and check.get("threat_model", threat_model) == threat_model
        ]


@dataclasses.dataclass(frozen=True)
class ReportedRun:
    """A run as a page shows it.

    Attributes:
        name: str, unlike every other run's.
        recorded: `RecordedRun` with results.
    """

    name: str
    recorded: RecordedRun

    @property
    def dataset(self):
        """Name of the data set in our flags."""
        return self.recorded.results[0].dataset

    @property
    def method(self):
        """The method as its records name it."""
        return self.recorded.results[0].method


def recorded_run(folder):
    """Returns the `RecordedRun` of a run folder; UserError where there is none."""
    folder = pathlib.Path(folder)
    config = RunFolder(folder).read_config()
    return RecordedRun(folder, read_results(folder / "results.jsonl"), config)


def evaluated_runs(folders, package, own_flag):
    """Returns the list of `RecordedRun` of evaluated runs of the same data.

    Args:
        folders: list of paths.
        package: str, whose commands train and evaluate such runs.
        own_flag: str, a flag that only its training has.

    Raises:
        UserError: a folder without such a run or without results, or runs of different data.
    """
    if not folders:
        raise UserError("--workdir=RUN[,RUN2,...] is required: folders of evaluated runs")
    runs = [recorded_run(folder) for folder in folders]
    for run in runs:
        if own_flag not in run.flags:
            raise UserError(f"{run.path} holds a run of another command than {package}.train")
        if not run.results:
            raise UserError(_without_results(run.path, package))
    require_same_data([run.path for run in runs])
    return runs


def _without_results(path, package):
    if RunFolder(path).final_weights.exists():
        command = shlex.join(["python", "-m", f"{package}.evaluate", f"--workdir={path}"])
        return f"{path} has no results yet; {command} makes them"
    flags = f"--flagfile={path / 'flags.txt'}", f"--workdir={path}"
    command = shlex.join(["python", "-m", f"{package}.train", *flags])
    return f"{path} is not finished; {command} goes on"


def find_runs(places, checks=None):
    """Returns the list of `RecordedRun` under folders, and of collections of records.

    Args:
        places: list of paths: folders, searched for run folders, or .jsonl files of records.
        checks: path of the records of the checks of collected runs.

    Raises:
        UserError: a place that is neither, or a file of something else.
    """
    runs = []
    for place in map(pathlib.Path, places):
        if place.is_dir():
            folders = sorted(path.parent for path in place.rglob("results.jsonl"))
            runs += [
                recorded_run(folder) for folder in folders if (folder / "config.json").exists()
            ]
        elif place.exists() and place.suffix == ".jsonl":
            runs += _collected(place, checks)
        else:
            raise UserError(f"{place} is neither a folder of runs nor a .jsonl of records")
    return runs


def flags_by_weights(runs):
    """Returns dict hash of the weights -> dict of flags, for `NAME.flags.json` beside records.

    Without the flags, runs of one title that differ in a setting would be told apart by seed alone.

    Args:
        runs: list of `RecordedRun` with results.
    """
    return {run.results[0].weights_hash: without_places(run.flags) for run in runs}


def without_places(flags):
    """Returns flags, a dict, without the folders of the machine that trained.

    Of an absolute path, such as --init_from, the last name is left.
    """
    return {
        name: without_folder(value) if isinstance(value, str) else value
        for name, value in flags.items()
        if name not in ("workdir", "data_dir")
    }


def _collected(path, checks):
    by_weights = {}
    for result in read_results(path):
        by_weights.setdefault(result.weights_hash, []).append(result)
    if not by_weights:
        raise UserError(f"{path} holds no records of results")
    kept = path.with_suffix(".flags.json")
    flags = json.loads(kept.read_bytes()) if kept.exists() else {}
    return [
        RecordedRun(path, results, {"flags": flags[key]} if key in flags else {}, checks)
        for key, results in by_weights.items()
    ]


def _size(result):
    # Fewer test images make a number uncertain, fewer training images make it another one.
    return reference_share(result), result.n


def _measurement(result):
    """What tells measurements apart; worst cases over different attacks are different ones."""
    threat = result.threat_model
    where = (
        result.metric,
        result.attack,
        result.after,
        tuple(result.attack_settings.get("over", ())),
        result.attack_settings.get("step"),
    )
    return *where, threat.get("eps"), threat.get("norm")


def without_folder(path):
    """Returns a path as str; of an absolute one, which is of one machine alone, the last name."""
    return os.path.basename(path) if os.path.isabs(path) else str(path)


def below_their_folder(paths):
    """Returns paths without the folder that they share, str: it is on one machine alone."""
    paths = [os.path.abspath(path) for path in paths]
    shared = os.path.commonpath(map(os.path.dirname, paths))
    return [os.path.relpath(path, shared) for path in paths]


def distinct_names(titles, runs):
    """Returns a name per run: its title, with the seed or the folder where titles are alike.

    Args:
        titles: iterable of str, one per run.
        runs: list of (training seed, path of the folder).
    """
    titles = list(titles)
    seeds = [f"{title} seed {seed}" for title, (seed, _) in zip(titles, runs, strict=True)]
    places = below_their_folder(path for _, path in runs)
    folders = [f"{title}, {place}" for title, place in zip(titles, places, strict=True)]
    return next(n for n in (titles, seeds, folders) if len(set(n)) == len(n) or n is folders)
