"""Published numbers beside ours: paper, ours, difference, and whether they may be compared."""

import statistics
import textwrap
from typing import NamedTuple

from robust_tf.evaluation.reference_images import limited_reference
from robust_tf.reports.comparability import in_ball, training_differences
from robust_tf.reports.result_tables import interval
from robust_tf.reports.table import Column, filled, text_table
from tla_tf.analysis.detection_records import paper_metric
from tla_tf.options import TRAIN
from tla_tf.reporting.comparable_runs import method_name

COMPARABLE = "comparable"
SHOWN = 6  # differences that are named
# What matters most stands first.
_FIRST = ("model", "train_steps", "eps", "attack_steps", "limit_train", "batch_size")


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
        return interval(2, self.cell.scale)(self.results[0])

    @property
    def comparability(self):
        """ "comparable", or what differs from the paper, the most important first."""
        if not self.differences:
            return COMPARABLE
        shown, more = self.differences[:SHOWN], len(self.differences) - SHOWN
        return f"not comparable: {'; '.join(shown)}{f'; and {more} more' if more > 0 else ''}"

    def number(self, value, sign=""):
        """Returns a value with as many digits as the paper prints."""
        return f"{value:{sign}.{2 if self.cell.scale > 1 else 3}f}"


def _attack(comparison):
    metric = comparison.results[0].metric
    return comparison.attack if metric == "accuracy" else f"{metric}, {comparison.attack}"


COLUMNS = (
    Column("attack", _attack),
    Column("paper", lambda c: f"{c.number(c.cell.value)}{' ?' if c.cell.doubtful else ''}"),
    Column("ours", lambda c: c.number(c.ours)),
    Column("difference", lambda c: c.number(c.ours - c.cell.value, "+")),
    Column("n", lambda c: "/".join(sorted({f"{result.n:,}" for result in c.results}))),
    Column("95% interval", lambda c: c.interval),
    Column("seeds", lambda c: len({result.training_seed for result in c.results})),
)


def comparison_lines(comparisons):
    """Yields a block of text per published row and set of differences, at most 100 columns wide.

    Args:
        comparisons: list of `Comparison`.
    """
    blocks = {}
    for comparison in comparisons:
        said = "; ".join(filter(None, (comparison.comparability, comparison.row.note)))
        blocks.setdefault((comparison.row.name, said), []).append(comparison)
    for (name, said), found in blocks.items():
        columns = [c for c in COLUMNS if any(c.get(one) is not None for one in found)]
        yield f"{textwrap.fill(f'{name}: {said}', 100)}\n{text_table(columns, found)}"


def compare(published, runs):
    """Returns the list of `Comparison` of published rows with what the runs have measured.

    Runs that differ from the row in the same way are seeds of one comparison.

    Args:
        published: list of `PublishedRow`.
        runs: list of `RecordedRun`.
    """
    found = []
    for row in published:
        own = [
            (run, _trained_otherwise(run, row.training))
            for run in runs
            if run.results
            and (run.results[0].dataset, run.results[0].method) == (row.dataset, row.method)
        ]
        for cell in row.cells():
            found += _comparisons(row, cell, own)
    return found


def without_results(rows, comparisons):
    """Returns the rows that have flags and no result, list of `PublishedRow`."""
    done = {comparison.row.name for comparison in comparisons}
    return [row for row in rows if row.flags and row.name not in done]


def add_comparisons(page, comparisons, caption):
    """Adds a folded table, and one line for every set of settings that differs from the paper.

    Args:
        page: `Page`.
        comparisons: list of `Comparison`, not empty.
        caption: str.
    """
    notes = list(dict.fromkeys(c.differences for c in comparisons if c.differences))
    marks = {differences: f"no ({number})" for number, differences in enumerate(notes, start=1)}
    columns = [
        Column("method", _method),
        *COLUMNS,
        Column("comparability", lambda c: marks.get(c.differences, COMPARABLE)),
    ]
    doubtful = any(comparison.cell.doubtful for comparison in comparisons)
    doubt = "; ?: the paper contradicts itself there" if doubtful else ""
    count = sum(not comparison.differences for comparison in comparisons)
    numbers = f"{len(comparisons)} numbers, {count} of them comparable"
    with page.details(f"Paper, ours, difference: {numbers}"):
        page.table(*filled(columns, comparisons), caption=f"{caption}{doubt}")
        for number, differences in enumerate(notes, start=1):
            page.paragraph(f"({number}) Not comparable: {'; '.join(differences)}.")


def _method(comparison):
    row = comparison.row
    radius = f", eps {row.eps}" if row.name.endswith(row.eps) else ""
    return f"{method_name(row.method)}{radius}"


def _trained_otherwise(run, published):
    """What was trained otherwise than the row, list of str."""
    flags, compared = run.flags or {"model": run.results[0].model}, TRAIN.compared(published)
    unknown = [] if run.flags else ["other settings of the training unknown"]
    return training_differences(flags, published, compared=compared, first=_FIRST) + unknown


def _measured_otherwise(result, row):
    """What was measured otherwise than in the paper, list of str."""
    different = []
    if result.n != row.n:
        different.append(f"n {result.n:,}, not {row.n:,}")
    if limited := limited_reference(result):
        used, split = limited
        different.append(f"{used:,} training images, not {split:,}")
    if result.precision != "float32":
        different.append(f"precision {result.precision}, not float32")
    return different


def _comparisons(row, cell, runs):
    groups = {}
    for run, trained in runs:
        for result in run.results:
            if _measures(result, row, cell):
                different = (*trained, *_measured_otherwise(result, row))
                place = result.attack, result.metric, result.model, different
                seeds = groups.setdefault(place, {})
                seeds[result.training_seed] = result
    return [
        Comparison(row, cell, attack, list(seeds.values()), different)
        for (attack, _, _, different), seeds in groups.items()
    ]


def _measures(result, row, cell):
    # The images of a transfer are named after the network they come from.
    attack = result.attack.split(" from ")[0]
    if result.after or (attack, paper_metric(result.metric)) != (cell.attack, cell.metric):
        return False
    return cell.attack == "clean" or in_ball(result, row.eps, row.norm)
