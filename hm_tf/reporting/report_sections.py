"""The sections of the report page, each made of what runs have stored.

`page` is a `Page`, `runs` a list of `ReportedRun`.
"""

from hm_tf.evaluation.closing_evaluation import UNTRAINED
from hm_tf.evaluation.embedding_checks import SCORE_STANDS
from hm_tf.evaluation.recorded_scores import ATTACKED, SCORE, radii, score_falls
from hm_tf.evaluation.robustness_score import directions
from hm_tf.reporting import hardness_records
from hm_tf.reporting.claim import claim
from hm_tf.reporting.hardness_records import OF_THE_PAPER, recorded_hardness
from hm_tf.reporting.paper_comparison import MIXED, compare
from hm_tf.reporting.paper_tables import TITLES, paper_table
from robust_tf.checks.sanity_checks import NOT_RUN
from robust_tf.reports import sections
from robust_tf.reports.comparison import DIFFERENCE, OURS, PAPER
from robust_tf.reports.matrix_view import add_matrix
from robust_tf.reports.result_tables import doubt_lines, interval, marked, radius
from robust_tf.reports.table import Column, filled

_EVALUATE = ("python", "-m", "hm_tf.evaluate")
METRICS = ("R@1", "R@2", "mAP", "MAP@R", "MAP@10", "NMI", UNTRAINED)
QUANTITIES = {
    "loss": ["loss"],
    "hardness of the triplets trained on": ["hardness"],
    "destination hardness": ["destination"],
}
MODES = (
    "compat does what the authors' code does and is what printed tables were made with; fixed does "
    "what it evidently means. protocol: PGD from the image itself, as in the paper (ES:D of compat "
    "one step early, as the authors'). strong: adaptive steps from random starts, per query the "
    "highest objective; worst: per query the worst measure. standard: per query the worst measure "
    "under adaptive steps from five starts and under Square. A score without its ten columns and "
    "R@1 says nothing: a collapsed network scores high."
)


def add_scores(page, runs, found):
    """The `Matrix` `found` of the runs, then every run, mode and strength, folded away."""
    add_matrix(page, found)
    if len(found.methods) > 1:
        page.paragraph(claim(runs))
    with page.details("Every run, mode and strength"):
        _add_retrieval(page, runs)
        add_ranking_attacks(page, runs)
    for run in (run for run in runs if not any(SCORE in row.values for row in run.rows)):
        flags = f"--workdir={run.recorded.path}", "--strength=strong"
        page.missing(f"{run.name}: not all ten columns were measured.", *_EVALUATE, *flags)


def _add_retrieval(page, runs):
    """The metrics of clean images, one line per run."""
    found = [
        (run.name, {r.metric: r for r in run.recorded.results if r.attack == "clean"})
        for run in runs
    ]

    def of(metric, get=lambda result: result):
        return lambda item: get(item[1][metric]) if metric in item[1] else None

    columns = (
        Column("run", lambda item: marked(item[0], item[1].values())),
        Column("n", of("R@1", lambda result: result.n), ","),
        *(Column(metric, of(metric), _percent) for metric in METRICS),
        Column("95% interval of R@1", of("R@1", interval(1, 100.0))),
    )
    caption = "in %; every image searches among all others; NMI: mean and spread of k-means seeds"
    page.table(*filled(columns, found), caption=caption)


def _percent(result):
    spread = "" if result.spread is None else f" ± {100 * result.spread:.1f}"
    return f"{100 * result.value:.1f}{spread}"


def add_ranking_attacks(page, runs):
    """The ten columns and ERS of every run, in every mode and strength."""
    rows = [(run.name, row) for run in runs for row in run.rows]
    if rows:
        names = *ATTACKED, SCORE
        of_each = [Column(name, lambda item, name=name: item[1].cell(name)) for name in names]
        page.paragraph(" ".join(directions(names)))
        page.table(*filled([*_columns(rows), *of_each], rows), caption=_how(runs))
        page.paragraph(MODES)
        _add_falls(page, runs)


def _add_falls(page, runs):
    """How far stronger attacks lower the score of the protocol, of the same queries."""
    falls = [
        (run.name, fall.after, fall)
        for run in runs
        for fall in score_falls(run.rows, run.recorded.measured)
    ]
    if falls:
        columns = (
            *_columns(falls),
            Column("ERS, protocol", lambda item: item[2].before.values[SCORE], ".1f"),
            Column("ERS, stronger", lambda item: item[2].after.values[SCORE], ".1f"),
            Column("change", lambda item: item[2].change, "+.1f"),
        )
        caption = "what stronger attacks leave of the score, both of the same queries and ε"
        page.table(*filled(columns, falls), caption=caption)


def _columns(items):
    """The first columns of a table of (name of the run, `ScoreRow`, ...)."""
    of_row = (
        Column("mode", lambda row: row.mode),
        Column("strength", lambda row: row.strength),
        *radii([item[1] for item in items]),
        Column("n", lambda row: row.on.n, ","),
    )
    yield Column("run", lambda item: marked(item[0], item[1].results))
    for column in of_row:
        yield column._replace(get=lambda item, get=column.get: get(item[1]))


def _how(runs):
    """eps and steps of all rows, for the caption."""
    said = dict.fromkeys(
        f"eps {radius(r.threat_model)}, {_search(r.attack_settings)} ({row.strength})"
        for run in runs
        for row in run.rows
        for r in row.results[:1]
    )
    return "; ".join(said)


def _search(settings):
    """How an attack searches its ball, in words."""
    return (
        f"{settings['steps']} steps" if "steps" in settings else " and ".join(settings["members"])
    )


def add_checks(page, runs):
    """The checks of the evaluation as coloured lines."""
    doubts = []
    for run in runs:
        if run.collapsed:
            doubts.append(("red", f"{run.name} has collapsed: its score means nothing"))
        lines = doubt_lines(run.recorded.results)
        doubts += [("amber", f"{run.name} {line}") for line in lines]
    unchecked = sections.unchecked(runs)
    sections.keep_commands(page, "Checks of", unchecked, _EVALUATE, "--checks=quick")
    # The score may be measured later than the checks.
    skip = {(run.name, SCORE_STANDS, NOT_RUN) for run in runs if SCORE in run.values}
    sections.add_checks(page, runs, doubts, unit="queries", skip=skip)


def add_comparison(page, rows, runs):
    """Paper, ours, difference, and whether they may be compared; then the paper's tables.

    `rows` is the list of `PublishedRow` of all tables.
    """
    page.section("The paper and ours")
    comparisons = compare(rows, runs)
    if not comparisons:
        page.paragraph("The paper has no row of these defenses.")
    for item in comparisons:
        columns = (
            Column("", lambda found: found.name),
            PAPER._replace(title=f"paper, {item.row.dataset}"),
            OURS._replace(title=f"ours, {item.run.dataset}"),
            DIFFERENCE,
        )
        comparable = "comparable" if not item.differences else "not comparable"
        with page.details(f"{item.title()}: {comparable}"):
            page.table(*filled(columns, item.numbers()))
            level = "amber" if item.differences else "green"
            page.status(level, f"{item.run.name}: {item.statement}")
    page.paragraph(f"{MIXED}.")
    page.paragraph(
        "All tables of the paper follow; our runs stand below the rows of their settings, with the "
        "difference. Those on data that the paper does not have stand below the rows of CUB, "
        "without a difference: numbers of other images cannot be compared."
    )
    for number, title in TITLES.items():
        header, lines, shown = paper_table(number, rows, runs)
        ours = f" ({len(shown)} of our runs)" if shown else ""
        with page.details(f"{title}{ours}"):
            page.table(header, lines)


def add_figures(page, figures):
    """The figures of the paper, dict name -> (matplotlib Figure, alternative text, caption)."""
    page.section("Figures of the paper")
    for figure, alt, caption in figures.values():
        page.figure(figure, alt=alt, caption=caption)


def add_hardness(page, runs):
    """Table 1: the hardness of what the samplers choose."""
    page.section("Hardness of the samplers' triplets")
    page.paragraph(OF_THE_PAPER)
    lacking = []
    for run in runs:
        found = recorded_hardness(run.recorded.path, run.recorded.results[0].weights_hash)
        if found:
            measured = hardness_records.measured(found)
            page.table(*filled(hardness_records.COLUMNS, measured), caption=run.name)
        else:
            lacking.append(run)
    sections.keep_commands(page, "Hardness of", lacking, ("python", "-m", "hm_tf.analyze"))
    if lacking:
        page.paragraph(f"Not measured of {sections.named(lacking, runs)}.")
