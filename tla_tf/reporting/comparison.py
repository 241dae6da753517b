"""Published numbers beside ours: paper, ours, difference, and whether they may be compared."""

import math
import statistics
from typing import NamedTuple

from robust_tf.threat_model import parse_magnitude
from tla_tf.reporting.comparability import measuring_differences, training_differences

HEADER = ("row", "attack", "metric", "paper", "ours", "difference", "n") + (
    *("95% interval", "seeds", "comparability"),
)
COMPARABLE = "comparable"
SHOWN = 6  # differences that are named


class Comparison(NamedTuple):
    """One published number and our measurements of it with one set of flags.

    Attributes:
        row, cell: `PublishedRow` and its `Cell`.
        attack: as our records name it.
        results: list of `Result`, one a training seed.
        differences: tuple of str; empty if the two may be compared.
    """

    row: tuple
    cell: tuple
    attack: str
    results: list
    differences: tuple

    @property
    def ours(self):
        """The mean over the seeds, in the paper's unit."""
        return self.cell.scale * statistics.mean(result.value for result in self.results)

    @property
    def interval(self):
        """Of one seed the binomial interval; of several the standard deviation over them."""
        values = [self.cell.scale * result.value for result in self.results]
        if len(values) > 1:
            return f"± {statistics.stdev(values):.2f} over seeds"
        low, high = self.results[0].interval or (None, None)
        if low is None:
            return "-"
        return f"{self.cell.scale * low:.2f} to {self.cell.scale * high:.2f}"

    @property
    def comparability(self):
        """ "comparable", or what differs from the paper, the most important first."""
        if not self.differences:
            return COMPARABLE
        shown, more = self.differences[:SHOWN], len(self.differences) - SHOWN
        return f"no: {'; '.join(shown)}{f'; and {more} more' if more > 0 else ''}"

    def line(self):
        """Returns the cells of a table with `HEADER`, all str."""
        digits = 2 if self.cell.scale > 1 else 3
        paper = f"{self.cell.value:.{digits}f}{' ?' if self.cell.doubtful else ''}"
        numbers = paper, f"{self.ours:.{digits}f}", f"{self.ours - self.cell.value:+.{digits}f}"
        n = "/".join(sorted({f"{result.n:,}" for result in self.results}))
        seeds = ",".join(sorted({str(result.training_seed) for result in self.results}))
        where = self.row.name, self.attack, self.cell.metric
        return *where, *numbers, n, self.interval, seeds, self.comparability


def compare(rows, runs, resolve):
    """Returns the list of `Comparison` of published rows with what the runs have measured.

    Runs that differ from the row in the same way are seeds of one comparison.

    Args:
        rows: list of `PublishedRow`.
        runs: list of `RecordedRun`.
        resolve: function (flags of a row) -> dict of all flags of the training.
    """
    found = []
    for row in rows:
        own = [run for run in runs if row.method and _trained_as(run, row)]
        published = resolve(row.flags) if own else {}
        trained = [tuple(training_differences(_flags(run), published)) for run in own]
        for cell in row.cells() if own else ():
            found += _comparisons(row, cell, list(zip(own, trained, strict=True)))
    return found


def without_results(rows, comparisons):
    """Returns the rows that have flags and no result, list of `PublishedRow`."""
    done = {comparison.row.name for comparison in comparisons}
    return [row for row in rows if row.flags and row.name not in done]


def _trained_as(run, row):
    return run.results and (run.results[0].dataset, run.results[0].method) == (
        row.dataset,
        row.method,
    )


def _flags(run):
    return run.flags or {"model": run.results[0].model}


def _comparisons(row, cell, runs):
    groups = {}
    for run, trained in runs:
        for result in run.results:
            if _measures(result, row, cell):
                different = (*trained, *measuring_differences(result, row))
                seeds = groups.setdefault((result.attack, result.model, different), {})
                seeds[result.training_seed] = result
    return [
        Comparison(row, cell, attack, list(seeds.values()), different)
        for (attack, _, different), seeds in groups.items()
    ]


def _measures(result, row, cell):
    # The images of a transfer are named after the network they come from.
    attack = result.attack.split(" from ")[0]
    if result.after or (attack, result.metric) != (cell.attack, cell.metric):
        return False
    if cell.attack == "clean":
        return True
    eps = parse_magnitude(row.eps)
    radius = result.threat_model.get("eps", math.nan)
    return result.threat_model.get("norm") == row.norm and math.isclose(radius, eps, rel_tol=1e-6)
