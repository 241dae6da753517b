"""The sections of the report page, each made of what runs have stored.

`page` is a `Page`, `runs` a list of `ReportedRun`.
"""

from robust_tf.errors import UserError
from robust_tf.evaluation.attack_column import WORST_CASE
from robust_tf.reports import sections
from robust_tf.reports.data_uri import description
from robust_tf.reports.matrix_view import add_matrix
from robust_tf.reports.methods import names_by_weights
from robust_tf.reports.result_tables import (
    MEASUREMENT_COLUMNS,
    accuracy_columns,
    doubt_lines,
    seeds_of,
)
from robust_tf.reports.table import Column, filled
from robust_tf.threat_model import ThreatModel
from tla_tf.analysis.accuracy_curves import OVER_EPS, OVER_STEPS, curve_figures
from tla_tf.reporting.adversarial_grid import HEADER, adversarial_grid
from tla_tf.reporting.claim import caveats, claim, listed, worst_cases
from tla_tf.reporting.comparison import add_comparisons
from tla_tf.reporting.published_rows import ANCHORS

QUANTITIES = {
    "loss": ["loss"],
    "accuracy of training batches in % (attacked; UM: clean)": ["robust_accuracy", "accuracy"],
    "accuracy of clean training images in %": ["clean_accuracy"],
    "accuracy of held-out images in %, PGD-10": ["held_out_pgd10"],
}
# Columns in sight on a phone too.
FIRST = ("attack", "eps", "accuracy %", "95% interval", "n")
_EVALUATE = ("python", "-m", "tla_tf.evaluate")
_ANALYZE = ("python", "-m", "tla_tf.analyze")
# Output of `tla_tf.analyze` -> its metric.
CURVES = {"accuracy_over_eps": OVER_EPS, "accuracy_over_steps": OVER_STEPS}
ANCHOR_COLUMNS = (
    Column("defense", lambda row: row.name.split("/")[1]),
    Column("threat model", lambda row: f"{row.norm} {row.eps}"),
    Column("clean %", lambda row: row.values.get("clean"), ".2f"),
    Column("AutoAttack %", lambda row: row.values.get("standard"), ".2f"),
    Column("remark", lambda row: row.note),
)
FIGURES = {
    "figure1": "t-SNE of the embeddings of natural and of attacked images of one class",
    "figure2": "t-SNE of two classes and of images of the one taken for the other",
    "figure4": "nearest training images of an image before and after the attack",
    "figure5": "ROC curves of the detection of misclassified images",
}


def add_accuracies(page, runs, found):
    """The `Matrix` `found` of the accuracies, curves; folded away all accuracies and claims."""
    page.section("Accuracy under attack")
    add_matrix(page, found)
    named = [(method.name, run.results) for method in found.methods for run in method.runs]
    for figure, caption in curve_figures(named):
        page.figure(figure, caption=caption)
    for output, metric in CURVES.items():
        of_folders = [run for run in runs if run.recorded.path.is_dir()]
        lacking = [run for run in of_folders if metric not in _metrics(run)]
        if lacking:
            said = f"Not measured: {metric} of {sections.named(lacking, runs)}."
            flags = f"--workdir={_folders(lacking)}", f"--outputs={output}"
            page.missing(said, *_ANALYZE, *flags)
    with page.details("Every accuracy that was measured"):
        for run in runs:
            _add_accuracies(page, run)
    if len(found.methods) > 1:
        with page.details("The claim of each run"):
            for run in runs:
                page.paragraph(claim(run.name, run.recorded))


def add_table_1(page, runs, rows, comparisons):
    """Paper, ours, difference; folded away the best-known numbers of the field."""
    dataset = runs[0].dataset
    page.section("The paper and ours")
    found = [item for item in comparisons if item.row.table == "table1"]
    if found:
        add_comparisons(page, found, "table 1 of the paper, accuracy in %")
    else:
        page.paragraph(f"Table 1 of the paper has no numbers to stand beside these ({dataset}).")
    for row, columns in _unmeasured(runs, rows, found):
        flags = "--attacks=table1", "--workdir=RUN", "--substitute=RUN2"
        said = f"Without a result here: {row.name}, {', '.join(columns)}."
        page.missing(said, *_EVALUATE, *flags)
    if anchors := [row for row in rows if (row.table, row.dataset) == (ANCHORS, dataset)]:
        with page.details("Where the field stands: AutoAttack, RobustBench of March 2025"):
            page.table(*filled(ANCHOR_COLUMNS, anchors))


def _metrics(run):
    return {result.metric for result in run.recorded.results}


def _folders(runs):
    return ",".join(str(run.recorded.path) for run in runs)


def _add_accuracies(page, run):
    """All that was measured, but one worst case for each threat model."""
    worst = worst_cases(run.recorded)
    accuracies = [r for r in run.recorded.results if r.metric == "accuracy"]
    accuracies = [r for r in accuracies if not r.attack.startswith(WORST_CASE) or r in worst]
    columns = sorted(accuracy_columns(accuracies), key=_place)
    page.table(*filled(columns, accuracies), caption=f"{run.name}: all accuracies")
    for result in worst:
        over, threat = listed(result.attack_settings["over"]), ThreatModel(**result.threat_model)
        page.paragraph(f"{result.attack}, {threat}: of {result.n:,} images, over {over}.")


def _place(column):
    return FIRST.index(column.title) if column.title in FIRST else len(FIRST)


def _unmeasured(runs, rows, found):
    """(row, its columns without a result) of the methods of the runs in table 1."""
    methods = {(run.dataset, run.method) for run in runs}
    own = [r for r in rows if r.table == "table1" and (r.dataset, r.method) in methods]
    done = {(item.row.name, item.column) for item in found}
    missing = [(row, [c for c in row.values if (row.name, c) not in done]) for row in own]
    return [(row, columns) for row, columns in missing if columns]


def add_checks(page, runs):
    """What weakens the claims, and the checks of the evaluation."""
    found = {}
    for run in runs:
        for caveat in caveats(run.recorded):
            found.setdefault(caveat, []).append(run)
    weak = [run for run in runs if caveats(run.recorded) or not run.recorded.check_groups()]
    flags = "--attacks=clean,standard", "--checks=full"
    sections.keep_commands(page, "Stronger evidence on", weak, _EVALUATE, *flags)
    doubts = [
        (level, f"{sections.named(weakened, runs)}: {caveat}")
        for (level, caveat), weakened in found.items()
    ]
    sections.add_checks(page, runs, doubts)


def add_analyses(page, runs, methods, comparisons):
    """Numbers and figures of `tla_tf.analyze`; `methods` is the list of `Method` of the runs."""
    page.section("The space of embeddings")
    everything = [result for run in runs for result in run.recorded.results]
    measured = [r for r in everything if r.metric not in ("accuracy", *CURVES.values())]
    found = [item for item in comparisons if item.row.table not in ("table1", ANCHORS)]
    paths = [path for run in runs for path in _figures(run.recorded.path)]
    for path in paths:
        made = FIGURES.get(path.stem, path.stem)
        number = path.stem.removeprefix("figure")
        caption = f"Figure {number} of the paper: {made}." if made != path.stem else made
        page.figure(path, alt=description(path) or made, caption=caption)
    if found:
        add_comparisons(page, found, "tables 2, 3 and figure 5 of the paper, shares in %")
    if measured:
        lines = seeds_of(measured, names_by_weights(methods))
        with page.details("All numbers of the analyses"):
            page.table(*filled(MEASUREMENT_COLUMNS, lines))
            for line in doubt_lines(measured):
                page.paragraph(line)
    if not measured and not paths:
        page.missing("Not analysed.", *_ANALYZE, f"--workdir={_folders(runs)}")


def _figures(folder):
    """One picture per figure; an .svg before a .png of the same name."""
    found = sorted(p for p in folder.glob("figures/*") if p.suffix in (".png", ".svg"))
    return {path.stem: path for path in found if path.stem not in CURVES}.values()


def add_images(page, runs, data_dir=None):
    """Attacked images beside the clean ones; see `adversarial_grid`."""
    page.section("Attacked images")
    lacking = []
    for run in runs:
        try:
            found = adversarial_grid(run.recorded.path, data_dir)
        except UserError as error:
            page.paragraph(f"{run.name}: {error}")
            continue
        if found:
            page.table(HEADER, found[1], caption=f"{run.name}, {found[0]}", kind="grid")
        else:
            lacking.append(run)
    if lacking:
        flags = f"--workdir={lacking[0].recorded.path}", "--attacks=pgd20", "--save_adversarial"
        said = f"No attacked images were kept of {sections.named(lacking, runs)}."
        page.missing(said, *_EVALUATE, *flags)
