"""The paper's rows beside our runs: paper, ours, difference, and whether they may be compared."""

import dataclasses
from typing import NamedTuple

from hm_tf.evaluation.recorded_scores import (
    ALL,
    PAPER_MAP,
    SCORE,
    claimed_row,
    clean_percents,
    digits,
    latest_clean,
    paper_row,
    score_rows,
)
from hm_tf.reporting.comparability import (
    attacks,
    differing_settings,
    measuring_differences,
    training_differences,
)
from hm_tf.reporting.published_rows import PublishedRow
from robust_tf.reports import comparison, recorded_run
from robust_tf.reports.comparison import Comparison
from robust_tf.reports.recorded_run import distinct_names

DATASETS = {"CUB": "cub200", "CARS": "cars196", "SOP": "sop"}
COMPARABLE = f"{comparison.COMPARABLE}: every setting of the row"
MIXED = "?: the paper's column mAP mixes mAP and MAP@10; its cells are never comparable"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportedRun(recorded_run.ReportedRun):
    """A run as tables and figures show it.

    Attributes:
        eta: PGD steps in training, None where nothing is attacked or the flags are unknown.
        values: dict column -> value as printed, see `recorded_scores.ALL`.
        records: dict column -> the `Result` of the value.
        collapsed: see `ScoreRow`.
        rows: list of `ScoreRow`.
    """

    eta: int | None
    values: dict
    records: dict
    collapsed: bool | None
    rows: list

    @property
    def cost(self):
        """Forward and backward passes per update, eta + 1."""
        return 1 + (self.eta or 0)


def same_data(row, run):
    """Whether a `PublishedRow` and a `ReportedRun` are of one data set."""
    return DATASETS[row.dataset] == run.dataset


def reported_runs(recorded, trainings):
    """Returns the list of `ReportedRun` of `RecordedRun`s.

    `trainings` is the `FlagTable` of `hm_tf.train`.
    """
    titles = [run.results[0].method for run in recorded]
    names = distinct_names(titles, [(run.results[0].training_seed, run.path) for run in recorded])
    return [_reported(name, run, trainings) for name, run in zip(names, recorded)]


class RowComparison(NamedTuple):
    """A published row and the run that is nearest to it.

    Attributes:
        row: `PublishedRow`.
        run: `ReportedRun`.
        differences: list of str; empty if the two may be compared.
    """

    row: PublishedRow
    run: ReportedRun
    differences: list

    @property
    def statement(self):
        """Whether the difference means anything, in words."""
        said = comparison.statement(self.differences) if self.differences else COMPARABLE
        return f"{said}; {MIXED}" if self.row.doubtful else said

    def title(self):
        """Returns the subject of the comparison, for the top of a table."""
        eta = "" if self.row.eta is None else f", η {self.row.eta}"
        return f"{self.run.name} beside {self.row.defense}{eta} on {self.row.dataset}"

    def numbers(self):
        """Yields the `Comparison`s; the paper's mAP stands beside our mAP and our MAP@10."""
        for column in ALL:
            for name in PAPER_MAP if column == "mAP" else (column,):
                yield number(self.row, self.run, column, name)


def number(row, run, column, name):
    """Returns the `Comparison` of a column of a row with the value of a run called `name`."""
    ours = "collapsed" if name == SCORE and run.collapsed else run.values.get(name)
    same, results = same_data(row, run), tuple(filter(None, [run.records.get(name)]))
    return Comparison(row, column, name, ours, digits(name), same_data=same, results=results)


def compare(rows, runs):
    """Returns the list of `RowComparison`, one per run whose defense the paper has.

    The row is of the same data set, or else of CUB. Of several rows it is the one with the fewest
    other settings, and then with the nearest eta.

    Args:
        rows: list of `PublishedRow`.
        runs: list of `ReportedRun`.
    """
    found = []
    for run in runs:
        # Without a setting in the name.
        own = [row for row in rows if row.defense.split()[0] == run.method]
        known = [row for row in own if len(row.values) > 2]
        if known:
            row = min(known, key=lambda row: _distance(row, run))
            found.append(beside(row, run))
    return found


def beside(row, run):
    """Returns the `RowComparison` of a `PublishedRow` and a `ReportedRun`."""
    shown = paper_row(run.rows)
    n = shown.on.n if shown else run.recorded.results[0].n
    trained = training_differences(run.recorded.flags, row)
    return RowComparison(row, run, trained + measuring_differences(shown, n, row.training))


def _distance(row, run):
    others = len(differing_settings(run.recorded.flags, row) - {"pgd_steps"})
    return (
        not same_data(row, run),
        row.dataset != "CUB",
        others,
        abs((row.eta or 0) - (run.eta or 0)),
    )


def _reported(name, recorded, trainings):
    rows = score_rows(recorded.measured)
    shown, claimed = paper_row(rows), claimed_row(rows)
    of_clean = recorded.measured, shown and shown.on.gallery
    flags, eta = recorded.flags, None
    if flags and attacks(flags):  # with one step where no flag says how many
        eta = 1 if "pgd_steps" in trainings.unread(flags) else flags["pgd_steps"]
    return ReportedRun(
        name,
        recorded,
        eta=eta,
        values={**clean_percents(*of_clean), **(shown.values if shown else {})},
        records={**latest_clean(*of_clean), **(shown.by_column if shown else {})},
        collapsed=claimed.collapsed if claimed else None,
        rows=rows,
    )
