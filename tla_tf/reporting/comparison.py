"""The paper's rows beside our runs: paper, ours, difference, and whether they may be compared."""

import re
import statistics
import textwrap

from robust_tf.evaluation.reference_images import limited_reference
from robust_tf.reports.comparability import in_ball, training_differences, unlike
from robust_tf.reports.comparison import (
    COMPARABLE,
    DIFFERENCE,
    OURS,
    PAPER,
    Comparison,
    comparison_table,
    doubts_of,
    statement,
)
from robust_tf.reports.result_tables import interval
from robust_tf.reports.table import Column, filled
from tla_tf.analysis.separation_ratio import LEFT_OUT
from tla_tf.evaluation.detection_records import paper_metric
from tla_tf.reporting.comparable_runs import method_name

SHOWN = 6  # differences that are named
# The images of a transfer are named after the network they come from.
_FROM = " from "
# What matters most stands first.
_FIRST = ("model", "train_steps", "eps", "attack_steps", "limit_train", "batch_size")


def _interval(comparison):
    """Of one seed the binomial interval; of several the standard deviation over them."""
    scale = comparison.row.cell(comparison.column).scale
    values = [scale * result.value for result in comparison.results]
    if len(values) > 1:
        return f"± {statistics.stdev(values):.2f} over seeds"
    return interval(2, scale)(comparison.results[0])


COLUMNS = (
    Column("attack", lambda comparison: comparison.name),
    PAPER,
    OURS,
    DIFFERENCE,
    Column("n", lambda c: "/".join(sorted({f"{result.n:,}" for result in c.results}))),
    Column("95% interval, ± sd", _interval),
    Column("seeds", lambda c: len({result.training_seed for result in c.results})),
)


def comparison_lines(comparisons):
    """Yields a block of text per published row and set of differences, at most 100 columns wide.

    Args:
        comparisons: list of `Comparison`.
    """
    blocks = {}
    for comparison in comparisons:
        compared = statement(comparison.differences, SHOWN)
        said = "; ".join(filter(None, (compared, comparison.row.note)))
        blocks.setdefault((comparison.row.name, said), []).append(comparison)
    for (name, said), found in blocks.items():
        columns = [c for c in COLUMNS if any(c.get(one) is not None for one in found)]
        yield f"{textwrap.fill(f'{name}: {said}', 100)}\n{comparison_table(found, columns)}"


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
            (run, _trained_otherwise(run, row))
            for run in runs
            if run.results
            and (run.results[0].dataset, run.results[0].method) == (row.dataset, row.method)
        ]
        for column in row.values:
            found += _comparisons(row, column, own)
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
    doubtful = any(comparison.column in comparison.row.doubtful for comparison in comparisons)
    doubt = "; ?: the paper contradicts itself there" if doubtful else ""
    count = sum(not comparison.differences for comparison in comparisons)
    numbers = f"{len(comparisons)} numbers, {count} of them comparable"
    with page.details(f"Paper, ours, difference: {numbers}"):
        page.table(*filled(columns, comparisons), caption=f"{caption}{doubt}")
        for number, differences in enumerate(notes, start=1):
            page.paragraph(f"({number}) Not comparable: {'; '.join(differences)}.")
        for line in doubts_of(comparisons):
            page.paragraph(line)


def _method(comparison):
    row = comparison.row
    radius = f", eps {row.eps}" if row.name.endswith(row.eps) else ""
    return f"{method_name(row.method)}{radius}"


def _trained_otherwise(run, row):
    """What was trained otherwise than the row, list of str."""
    flags = run.flags or {"model": run.results[0].model}
    unknown = [] if run.flags else ["other settings of the training unknown"]
    settings = {"compared": row.compared, "first": _FIRST}
    return training_differences(flags, row.training, **settings) + unknown


def _measured_otherwise(result, row):
    """What was measured otherwise than in the paper, list of str."""
    different = unlike([("n", f"{result.n:,}", f"{row.n:,}")])
    if limited := limited_reference(result):
        used, split = limited
        different.append(f"{used:,} training images, not {split:,}")
    if _FROM in result.attack:
        different.append("substitute chosen here, the paper names none")
    return different + unlike([("precision", result.precision, "float32")])


def _comparisons(row, column, runs):
    groups, cell = {}, row.cell(column)
    for run, trained in runs:
        for result in run.results:
            if _measures(result, row, cell):
                different = *_measured_otherwise(result, row), *_classes_left_out(result, run)
                alike = result.model, (*trained, *different)
                name = _name(result)
                # Each seed has a substitute of its own.
                seeds = groups.setdefault((re.sub(r"-seed\d+$", "", name), *alike), {})
                if _name(seeds.get(result.training_seed, result)) != name:
                    seeds = groups.setdefault((name, *alike), {})
                seeds[result.training_seed] = result
    for (kind, _, different), seeds in groups.items():
        results = tuple(seeds.values())
        names = {_name(result) for result in results}
        name = kind if len(names) > 1 else names.pop()
        ours = cell.scale * statistics.mean(result.value for result in results)
        digits = 2 if cell.scale > 1 else 3
        yield Comparison(row, column, name, ours, digits, different, results=results)


def _classes_left_out(result, run):
    """What a mean over classes lacks, list of str."""
    same = (
        other
        for other in run.results
        if other.metric == f"{result.metric}{LEFT_OUT}"
        and (other.attack, other.threat_model) == (result.attack, result.threat_model)
    )
    return [f"{other.value:g} classes left out" for other in same if other.value]


def _name(result):
    return result.attack if result.metric == "accuracy" else f"{result.metric}, {result.attack}"


def _measures(result, row, cell):
    attack = result.attack.split(_FROM)[0]
    if result.after or (attack, paper_metric(result.metric)) != (cell.attack, cell.metric):
        return False
    return cell.attack == "clean" or in_ball(result, row.eps, row.norm)
