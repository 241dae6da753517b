"""The sections of the report page, each made of what runs have stored."""

import shlex
from typing import NamedTuple

from robust_tf.errors import UserError
from robust_tf.evaluation.attack_column import WORST_CASE
from robust_tf.reports import sections
from robust_tf.reports.matrix_view import add_matrix
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.reports.result_tables import MEASUREMENT_COLUMNS, accuracy_columns
from robust_tf.reports.table import rows as cells
from robust_tf.reports.table import titles
from robust_tf.threat_model import ThreatModel
from tla_tf.finished_run import FinishedRun
from tla_tf.reporting import adversarial_grid
from tla_tf.reporting.claim import caveats, claim, listed, worst_cases
from tla_tf.reporting.comparison import add_comparisons
from tla_tf.reporting.eps_curve import eps_figure
from tla_tf.reporting.published_rows import ANCHORS

QUANTITIES = {
    "loss": ["loss"],
    "accuracy of training batches (attacked; UM: clean)": ["robust_accuracy", "accuracy"],
    "accuracy of held-out images, PGD-10": ["held_out_pgd10"],
}
# Columns in sight on a phone too.
FIRST = ("attack", "eps", "accuracy %", "95% interval", "n")
_EVALUATE = ("python", "-m", "tla_tf.evaluate")
FIGURES = {
    "figure1": "t-SNE of the embeddings of natural and of attacked images of one class",
    "figure2": "t-SNE of two classes and of images of the one taken for the other",
    "figure4": "nearest training images of an image before and after the attack",
    "figure5": "ROC curves of the detection of misclassified images",
}


class ReportedRun(NamedTuple):
    """A run in the report.

    Attributes:
        name: str, unlike every other run's.
        finished: `FinishedRun`, its network and data.
        recorded: `RecordedRun`, its results.
    """

    name: str
    finished: FinishedRun
    recorded: RecordedRun


def add_accuracies(page, runs, compared):
    """The matrix of methods and attacks; below it every accuracy and every claim, folded away.

    Args:
        page: `Page`.
        runs: list of `ReportedRun`.
        compared: what `accuracy_matrix` returns.
    """
    methods, rows = compared
    page.section("Accuracy under attack")
    add_matrix(page, methods, rows)
    curve = eps_figure(runs)
    if curve:
        figure, alt, caption = curve
        page.figure(figure, alt=alt, caption=caption)
    with page.details("Every accuracy that was measured"):
        for run in runs:
            _add_accuracies(page, run)
    if len(runs) > 1:
        with page.details("The claim of each run"):
            for run in runs:
                page.paragraph(claim(run.name, run.recorded))


def add_table_1(page, runs, rows, comparisons):
    """Paper, ours, difference."""
    dataset = runs[0].finished.info.name
    page.section("The paper and ours")
    found = [item for item in comparisons if item.row.table == "table1"]
    if found:
        add_comparisons(page, found, "table 1 of the paper, accuracy in %")
    else:
        page.paragraph(f"Table 1 of the paper has no numbers to stand beside these ({dataset}).")
    for row, columns in _unmeasured(runs, rows, found):
        page.paragraph(f"No results yet in {row.name}: {', '.join(columns)}; this measures them:")
        page.code(f"{row.measure} --workdir=RUN --substitute=RUN2")
    _add_anchors(page, [row for row in rows if (row.table, row.dataset) == (ANCHORS, dataset)])


def _add_accuracies(page, run):
    """All that was measured, but one worst case for each threat model."""
    worst = worst_cases(run.recorded)
    accuracies = [r for r in run.recorded.results if r.metric == "accuracy"]
    accuracies = [r for r in accuracies if not r.attack.startswith(WORST_CASE) or r in worst]
    columns = sorted(accuracy_columns(accuracies), key=_place)
    page.table(titles(columns), cells(columns, accuracies), caption=f"{run.name}: all accuracies")
    for result in worst:
        over, threat = listed(result.attack_settings["over"]), ThreatModel(**result.threat_model)
        page.paragraph(f"{result.attack}, {threat}: of {result.n:,} images, over {over}.")


def _place(column):
    return FIRST.index(column.title) if column.title in FIRST else len(FIRST)


def _unmeasured(runs, rows, found):
    """(row, its columns without a result) of the methods of the runs in table 1."""
    methods = {(run.finished.info.name, run.finished.flags["method"]) for run in runs}
    own = [r for r in rows if r.table == "table1" and (r.dataset, r.method) in methods]
    done = {(item.row.name, item.cell.attack) for item in found}
    missing = [(row, [c for c in row.values if (row.name, c) not in done]) for row in own]
    return [(row, columns) for row, columns in missing if columns]


def _add_anchors(page, anchors):
    """The best-known numbers of the field on the data set."""
    if not anchors:
        return
    lines = [
        (row.name.split("/")[1], f"{row.norm} {row.eps}", *_anchor_values(row), row.note)
        for row in anchors
    ]
    with page.details("Where the field stands: AutoAttack, RobustBench of March 2025"):
        header = ("defense", "threat model", "clean %", "AutoAttack %", "remark")
        page.table(header, lines)


def _anchor_values(row):
    return tuple(f"{row.values[c]:.2f}" if c in row.values else "-" for c in ("clean", "standard"))


def add_checks(page, runs):
    """What weakens the claims, and the checks of the evaluation."""
    page.section("Can the numbers be believed?")
    for run in runs:
        found = caveats(run.recorded)
        for level, caveat in found:
            page.status(level, f"{run.name}: {caveat}")
        if found or not run.recorded.check_groups():
            path = f"--workdir={run.recorded.path}"
            page.code(shlex.join([*_EVALUATE, path, "--attacks=clean,standard", "--checks=full"]))
        if not run.recorded.check_groups():
            page.paragraph(f"{run.name}: no checks yet; the command above makes them.")
    sections.add_checks(page, runs)


def add_analyses(page, runs, comparisons):
    """Numbers and figures of `tla_tf.analyze`."""
    page.section("The space of embeddings")
    measured = [r for run in runs for r in run.recorded.results if r.metric != "accuracy"]
    found = [item for item in comparisons if item.row.table not in ("table1", ANCHORS)]
    if found:
        add_comparisons(page, found, "tables 2, 3 and figure 5 of the paper, shares in %")
    if measured:
        columns = MEASUREMENT_COLUMNS
        lines = cells(columns, measured)
        with page.details("All numbers of the analyses"):
            page.table(titles(columns), lines)
    paths = [path for run in runs for path in _figures(run.recorded.path)]
    for path in paths:
        made = FIGURES.get(path.stem, path.stem)
        numbers = [_described(r) for r in measured if path.stem == "figure5" and "AUC" in r.metric]
        alt = "; ".join([f"{made}: {', '.join(run.name for run in runs)}", *numbers])
        page.figure(path, alt=alt, caption=f"{path.stem}: {made}.")
    if not measured and not paths:
        folders = ",".join(str(run.recorded.path) for run in runs)
        page.paragraph("Not analysed yet; this does it:")
        page.code(shlex.join(["python", "-m", "tla_tf.analyze", f"--workdir={folders}"]))


def _figures(folder):
    return sorted(p for p in folder.glob("figures/*") if p.suffix in (".png", ".svg"))


def _described(result):
    """The area under a curve, for those who do not see it."""
    return f"{result.method} seed {result.training_seed}, {result.attack}: AUC {result.value:.3f}"


def add_images(page, runs):
    """Attacked images beside the clean ones."""
    page.section("Attacked images")
    for run in runs:
        if not adversarial_grid.kept(run.finished):
            folder = run.recorded.path
            page.paragraph(f"{run.name}: no attacked images were kept; this makes and keeps them:")
            flags = f"--workdir={folder}", "--attacks=pgd20", "--save_adversarial"
            page.code(shlex.join([*_EVALUATE, *flags]))
            continue
        try:
            caption, rows = adversarial_grid.adversarial_grid(run.finished)
        except UserError as error:
            page.paragraph(f"{run.name}: {error}")
            continue
        page.images(adversarial_grid.HEADER, rows, caption=f"{run.name}, {caption}")
