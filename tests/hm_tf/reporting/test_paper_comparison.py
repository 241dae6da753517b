"""Paper, ours, difference: the right row, the paper's units, and what is not comparable said."""

import dataclasses
import itertools

import pytest
from made_results import DOUBTED
from ranking_results import PRINTED, attacked, clean, result

from hm_tf.evaluation.recorded_scores import ALL, clean_percents, paper_row, score_rows
from hm_tf.options import TRAIN
from hm_tf.reporting import published_rows
from hm_tf.reporting.balance_figure import balance_figure
from hm_tf.reporting.claim import claim
from hm_tf.reporting.cost_figure import cost_figures
from hm_tf.reporting.paper_comparison import COMPARABLE, MIXED, beside, compare, reported_runs
from hm_tf.reporting.paper_tables import TITLES, paper_table
from robust_tf.reports.comparison import COLUMNS, comparison_table
from robust_tf.reports.methods import Method
from robust_tf.reports.published import find
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.reports.table import filled

ROWS = published_rows.rows(TRAIN)
ROW = find(ROWS, "table5/HM[S,gLGA]&ICS/8")
FLAGS = ROW.training


def run(results=None, **flags):
    results = [*clean(), *attacked()] if results is None else results
    recorded = RecordedRun("run", results, {"flags": {**FLAGS, **flags}})
    return reported_runs([recorded], TRAIN)[0]


def lines_of(comparison):
    """Name of a number -> paper, ours, difference."""
    return {name: tuple(cells) for name, *cells in filled(COLUMNS, comparison.numbers())[1]}


def changed_data(results, dataset):
    return [
        result(r.attack, r.metric, r.value, settings=r.attack_settings, dataset=dataset)
        for r in results
    ]


def test_columns_in_the_papers_units():
    (row,) = score_rows([*clean(), *attacked()])
    assert {name: pytest.approx(row.values[name]) for name in PRINTED} == PRINTED
    assert row.values["ERS"] == pytest.approx(33.455)
    assert clean_percents(clean()) == pytest.approx(
        {"R@1": 37.2, "R@2": 47.8, "mAP": 21.4, "MAP@10": 20, "NMI": 48.4}
    )
    assert row.cells() == ("12.9", "40.9", "14.7", "33.7", "0.806", "0.487") + (
        *("17.1", "13.2", "26.3", "2.3", "33.5"),
    )


def test_a_row_is_of_one_evaluation():
    few = {"ES:R": 90.0}  # on more images, but without the other columns
    rows = score_rows([*attacked(n=100), *attacked(few, n=5000)])
    assert [(row.on.n, row.values["ES:R"]) for row in rows] == [(100, pytest.approx(17.1))]
    later = {**PRINTED, "LTM": 50.0}
    (row,) = score_rows([*attacked(), *attacked(later)])
    assert row.values["LTM"] == pytest.approx(50) and row.values["ERS"] == pytest.approx(37.135)


OTHERWISE = {
    "step_size": {"settings": {"step_size": 1 / 255}},
    "gallery": {"settings": {"gallery": 9000}},
    "seed": {"seed": 3},
    "precision": {"precision": "mixed_bfloat16"},
    "eps": {"threat_model": {"eps": 4 / 255, "norm": "linf", "lower": 0.0, "upper": 1.0}},
}


def measured_otherwise(results, settings=None, **changed):
    return [
        dataclasses.replace(r, attack_settings={**r.attack_settings, **(settings or {})}, **changed)
        for r in results
    ]


@pytest.mark.parametrize("changed", OTHERWISE.values(), ids=OTHERWISE)
def test_a_column_measured_otherwise_is_of_another_row(changed):
    later = measured_otherwise(attacked({"ES:R": 90.0, "ES:D": 0.1}), **changed)
    row = paper_row(score_rows([*attacked(), *later]))
    assert row.values["ES:R"] == pytest.approx(17.1) and row.values["ES:D"] == 0.487
    assert row.values["ERS"] == pytest.approx(33.455)


def test_of_two_whole_evaluations_that_of_more_queries_counts():
    rows = score_rows([*attacked(n=500), *attacked(n=100)])
    assert [row.on.n for row in rows] == [500]


def test_of_two_whole_evaluations_that_with_the_latest_record_counts():
    low, high = attacked({**PRINTED, "LTM": 3.2}), attacked({**PRINTED, "LTM": 50.0})
    other = measured_otherwise(high, seed=1)
    assert score_rows([*low, *other])[0].values["LTM"] == pytest.approx(50)
    assert score_rows([*low, *other, *low[:1]])[0].values["LTM"] == pytest.approx(3.2)


def test_of_evaluations_of_the_same_attacks_that_of_more_queries_counts():
    """A training ends with R@1 of all images under ES; --attacks=es measures the distance, too."""
    whole, few = attacked({"ES:R": 20.0}, n=896), attacked({"ES:R": 9.0, "ES:D": 0.1}, n=32)
    for order in ([*whole, *few], [*few, *whole]):
        (row,) = score_rows(order)
        assert (row.on.n, row.values) == (896, {"ES:R": pytest.approx(20)})
    (row,) = score_rows([*attacked({"ES:R": 20.0}, n=32), *few])
    assert set(row.values) == {"ES:R", "ES:D"}


def test_clean_percents_are_of_the_whole_gallery():
    (row,) = score_rows(measured_otherwise(attacked(n=100), {"gallery": 5924}))
    assert (row.on.n, row.on.gallery) == (100, 5924)
    few = clean(n=100, recall=0.9)
    found = run([*clean(), *few, *measured_otherwise(attacked(n=100), {"gallery": 5924})])
    assert found.values["R@1"] == pytest.approx(37.2)


def test_the_paper_is_compared_with_its_own_protocol():
    rows = score_rows([*attacked(mode="fixed"), *attacked(), *attacked(strength="strong")])
    assert (paper_row(rows).mode, paper_row(rows).strength) == ("compat", "protocol")
    assert paper_row(score_rows(attacked(mode="fixed"))).mode == "fixed"
    assert paper_row(score_rows(attacked(strength="strong"))) is None


def test_the_same_run_is_comparable_and_without_difference():
    (found,) = compare(ROWS, [run()])
    assert found.row.name in ("table5/HM[S,gLGA]&ICS/8", "table6/CUB/HM[S,gLGA]&ICS/8")
    assert found.statement == f"{COMPARABLE}; {MIXED}"
    lines = lines_of(found)
    assert tuple(lines) == (*ALL[:3], "MAP@10", *ALL[3:])
    assert lines["R@1"] == ("37.2", "37.2", "+0.0")
    assert lines["TMA"] == ("0.806", "0.806", "+0.000")
    assert lines["ERS"][:2] == ("33.5", "33.5")


def test_numbers_that_their_evaluation_doubts_are_marked():
    measured = [*clean(), *attacked()]
    for doubted in ("ES", "clean"):
        results = [
            dataclasses.replace(r, warnings=DOUBTED) if r.attack == doubted else r for r in measured
        ]
        (found,) = compare(ROWS, [run(results)])
        lines = lines_of(found)
        marked = {name for name, (_, ours, _) in lines.items() if ours.endswith(" !")}
        of_es = {"ES:D", "ES:R"}
        assert marked == (of_es if doubted == "ES" else {"R@1", "R@2", "mAP", "MAP@10", "NMI"})
        text = comparison_table([*found.numbers()])
        assert text.splitlines()[-1] == "! zero gradients"
    same = {"source": "random", "destination": "semihard", "ics": 0.0}
    (cell,) = [
        cell
        for line in paper_table(2, ROWS, [run(results, **same)])[1]
        for cell in line
        if "ours" in cell
    ]
    assert cell == "27.0 / 35.1; ours, cub200: 37.2 / 33.5 !"


def test_runs_in_the_papers_tables_are_marked_where_they_cannot_be_compared():
    same = {"source": "random", "destination": "semihard", "ics": 0.0}
    for steps, said in ((3975, ""), (30, ", not comparable")):
        short = run(train_steps=steps, **same)
        (line, *_) = [line for line in paper_table(3, ROWS, [short])[1] if "ours" in line[0]]
        assert line[0] == f"ours: HM[S,gLGA]&ICS, cub200{said}"
        assert f"; ours, cub200{said}: 37.2" in str(paper_table(2, ROWS, [short])[1])


def test_what_differs_is_said():
    trained = {"model": "digits_embedding", "train_steps": 300, "seed": 4, "limit_train": 500}
    results = changed_data([*clean(), *attacked(mode="fixed")], "digits")
    (found,) = compare(ROWS, [run(results, dataset="digits", **trained)])
    assert found.row.dataset == "CUB" and found.statement.startswith(
        "not comparable: dataset digits"
    )
    for said in (
        *("model digits_embedding, not resnet18", "train_steps 300, not 3975"),
        *("500 training images, not all", "attacks in fixed mode"),
    ):
        assert said in found.statement
    assert "seed" not in found.statement
    assert {difference for *_, difference in lines_of(found).values()} == {"-"}


def test_numbers_written_in_two_ways_do_not_differ():
    (found,) = compare(ROWS, [run(eps=str(8 / 255), learning_rates=["0.00001"])])
    assert found.statement == f"{COMPARABLE}; {MIXED}"


def test_the_nearest_eta_and_the_same_data_are_chosen():
    (found,) = compare(ROWS, [run(pgd_steps=30)])
    assert found.row.eta == 32 and "pgd_steps 30, not 32" in found.statement
    results = changed_data([*clean(), *attacked()], "sop")
    (found,) = compare(ROWS, [run(results)])
    assert found.row.dataset == "SOP"


def test_a_collapsed_run_has_no_score_anywhere():
    collapsed = run([*clean(recall=0.008), *attacked(collapsed=True)])
    (found,) = compare(ROWS, [collapsed])
    assert list(lines_of(found).items())[-1] == ("ERS", ("33.5", "collapsed", "-"))
    assert collapsed.rows[0].cells()[-1] == "collapsed"
    assert "has collapsed" in claim([collapsed]) and "33.5" not in claim([collapsed])
    lines = paper_table(5, ROWS, [collapsed])[1]
    assert [line[-1] for line in lines if line[0].startswith("ours")] == ["collapsed"]
    assert "ours" not in cost_figures(ROWS, [collapsed])["figure8"][1]


def test_the_claim_names_its_threat_model_and_the_worst_case():
    settings = {"steps": 96, "restarts": 3, "mode": "fixed", "strength": "worst"}
    worst = result("worst case", "R@1", 0.05, settings={**settings, "over": ["ES", "LTM", "GTM"]})
    said = claim([run([*clean(), *attacked(), worst])])
    for part in ("8/255 (L-infinity, images in [0, 1])", "from 37.2 % to 5.0 %", "ES, LTM, GTM"):
        assert part in said
    assert "ERS 33.5 of 100 (compat, protocol, 5,924 queries); its columns below" in said
    weaker = attacked({**PRINTED, "LTM": 3.2}, mode="fixed", strength="worst")
    said = claim([run([*clean(), *attacked(), *weaker])])
    assert "5,924 queries); 32.5 at the lowest (fixed, worst, 5,924 queries); its" in said
    assert "makes no claim" in claim([run(clean())])
    assert "not all ten" in claim([run([*clean(), *attacked({"ES:R": 17.1})])])
    higher = run([*clean(), *attacked({**PRINTED, "LTM": 90.0})])
    assert "ERS 41.1" in claim([run(), higher]) and "of 2 runs" in claim([run(), higher])


def test_a_score_under_the_standard_attack_is_claimed_where_the_protocol_has_none():
    """As after a training, which ends with R@1 under ES, and --attacks=standard."""
    training = attacked({"ES:R": 60.0}, mode="fixed")
    standard = attacked(n=300, mode="fixed", strength="standard")
    for measured in ([*training, *standard], standard):
        own = run([*clean(), *measured])
        assert "ERS 33.5 of 100 (fixed, standard, 300 queries)" in claim([own])
    collapsed = attacked(n=300, mode="fixed", strength="standard", collapsed=True)
    assert "has collapsed" in claim([run([*clean(), *training, *collapsed])])
    better = attacked({**PRINTED, "LTM": 90.0}, n=300, mode="fixed", strength="standard")
    both = [own, run([*clean(), *training, *better])]
    assert "of 2 runs the one with the highest score" in claim(both) and "ERS 41.1" in claim(both)


def test_the_claim_never_mixes_queries():
    few = measured_otherwise(attacked(n=32), {"gallery": 5924})
    said = claim([run([*clean(), *few])])
    assert "R@1 of all 5,924 images is 37.2 %; an attacker who" in said
    assert "of only 32 queries 13.2 % by LTM, the strongest of ES, LTM, GTM" in said
    said = claim([run([*clean(), *measured_otherwise(attacked(n=100), {"gallery": 5924})])])
    assert "leaves R@1 of 100 queries 13.2 %" in said
    # The first 300 images as queries and as gallery have a clean value of their own.
    settings = {"steps": 96, "mode": "fixed", "strength": "worst", "over": ["ES", "LTM"]}
    worst = result("worst case", "R@1", 0.05, settings=settings, n=300)
    said = claim([run([*clean(), *attacked(), *clean(n=300, recall=0.5), worst])])
    assert "lowers R@1 of 300 queries from 50.0 % to 5.0 % in the worst case" in said


def test_a_claim_without_an_attack_on_recall():
    said = claim([run([*clean(), *attacked({"TMA": 0.8})])])
    assert "R@1 37.2 % of clean images, no attack on it was measured; no score" in said
    assert "to 13.2 % by LTM, the only such attack" in claim(
        [run([*clean(), *attacked({"LTM": 13.2})])]
    )


@pytest.mark.parametrize("number", TITLES)
def test_every_table_has_its_rows_and_ours(number):
    header, lines, shown = paper_table(number, ROWS, [run()])
    assert all(len(line) == len(header) for line in lines)
    own = [row for row in ROWS if row.name.startswith(f"table{number}/")]
    if number == 2:
        assert len(lines) == 5 and lines[1][1:3] == ("43.9 / 5.4", "44.0 / 5.0")
        return
    ours = sum(
        row.defense == "HM[S,gLGA]&ICS" and row.eta == 8 and row.dataset == "CUB" for row in own
    )
    assert len(lines) == len(own) + 2 * ours
    assert shown == ({"HM[S,gLGA]&ICS"} if ours else set())


def run_of(row_name, results=None, **changed):
    """A run with the settings of a row."""
    row = find(ROWS, row_name)
    results = [*clean(), *attacked()] if results is None else results
    own = [dataclasses.replace(r, method=row.defense.split()[0]) for r in results]
    return run(own, **{**row.training, **changed})


def rows_above(runs, number):
    """The rows of a table below which runs stand."""
    lines = paper_table(number, ROWS, runs)[1]
    return [before[0] for before, line in itertools.pairwise(lines) if line[0].startswith("ours")]


@pytest.mark.parametrize(
    "name",
    [
        "table5/HM[S,gLGA]&ICS ics=1/8",
        "table7/HM[S,gLGA] loss_bound=2.2/8",
        "table8/HM[S,gLGA]&ICS ics=0.5/32",
        "table10/HM[S,gLGA]&ICS ics_margin=0.2/8",
    ],
)
def test_a_setting_that_no_title_has_finds_its_own_row_only(name):
    row = find(ROWS, name)
    dataset = row.training["dataset"]
    own = run_of(name, changed_data([*clean(), *attacked()], dataset))
    found = {number: rows_above([own], number) for number in set(TITLES) - {2}}
    ours = int(name.split("/")[0].removeprefix("table"))
    assert found.pop(ours) == [f"{row.dataset} {row.defense}, {row.eta}"]
    assert not any(found.values())
    (comparison,) = compare(ROWS, [own])
    assert comparison.row.name == name
    if dataset == "cub200":
        assert comparison.statement == f"{COMPARABLE}; {MIXED}"
        figures = cost_figures(ROWS, [own]).values()
        assert not any("ours" in alt for _, alt, _ in figures)


def test_what_the_defense_does_not_read_is_not_compared():
    plain = run_of("table3/ACT[R]/8", source="random", destination="random", loss_bound=1.0)
    assert plain.eta == 8
    assert rows_above([plain], 3) == ["CUB ACT[R], 8"]
    assert rows_above([run_of("table6/CUB/EST[R]/8", bn="frozen")], 6) == []
    assert rows_above([run_of("table6/CUB/EST[R]/8")], 6) == ["CUB EST[R], 8"]


def test_on_other_data_there_is_no_difference():
    results = changed_data([*clean(), *attacked()], "digits")
    other = run_of("table5/HM[S,gLGA]&ICS/8", results, dataset="digits", bn="live")
    assert set(rows_above([other], 5)) == {"CUB HM[S,gLGA]&ICS, 8"}
    lines = paper_table(5, ROWS, [other])[1]
    assert [set(line[1:]) for line in lines if line[0] == "difference"] == [{"-"}]
    assert rows_above([run_of("table5/HM[S,gLGA]&ICS/8", results, ics=0.3)], 5) == []


def test_regular_training_stands_on_the_diagonal():
    flags = {"defense": "none", "source": "random"}
    own = [
        result(r.attack, r.metric, r.value, settings=r.attack_settings, method="N/A[R]")
        for r in (*clean(), *attacked())
    ]
    plain = run(own, **flags)
    assert plain.eta is None and plain.cost == 1
    assert beside(find(ROWS, "table2/HM[R,R]"), plain).differences == []
    assert paper_table(2, ROWS, [plain])[1][0][1] == "53.9 / 3.8; ours, cub200: 37.2 / 33.5"
    lines = paper_table(11, ROWS, [plain])[1]
    assert [line[1] for line in lines[:3]] == ["53.9", "37.2", "-16.7"]


def drawn(axis):
    return {line.get_label(): line.get_xydata().tolist() for line in axis.lines}


def test_cost_figures_have_the_sweeps_and_our_mark():
    figures = cost_figures(ROWS, [run()])
    axes = figures["figure8"][0].axes
    found = drawn(axes[0])
    assert found["HM[S,gLGA]&ICS"] == [[3, 15.2], [5, 24.6], [9, 33.5], [17, 36.0], [33, 36.0]]
    assert found["ours: HM[S,gLGA]&ICS"] == [[9, pytest.approx(33.455)]]
    six = {line.get_label(): len(line.get_xdata()) for line in figures["figure6"][0].axes[1].lines}
    assert six == {"N/A[R]": 1, "ACT[R]": 5, "ACT[S]": 5, "HM[R,M]": 5, "HM[S,M]": 5}
    seven = {line.get_label() for line in figures["figure7"][0].axes[0].lines}
    assert seven == {"HM[S,-0.1]", "HM[S,gLGA]", "HM[S,M]"}
    assert found["HM[S,gLGA]"][0][0] == 3 and len(found["HM[S,gLGA]"]) == 5
    (axis, _) = cost_figures(ROWS, [run(attacked())])["figure8"][0].axes
    assert "ours: HM[S,gLGA]&ICS" not in drawn(axis)  # no record of R@1: a damaged line


def test_figure_1_sets_score_against_recall_with_the_cost_beside():
    figure, alt, _ = cost_figures(ROWS, [run()])["figure1"]
    (axis,) = figure.axes
    found = drawn(axis)
    assert found["EST[R]"] == [[37.1, 7.9], [8.5, 5.3]] and found["N/A[R]"] == [[53.9, 3.8]]
    assert found["ours: HM[S,gLGA]&ICS"] == [[pytest.approx(37.2), pytest.approx(33.455)]]
    costs = [text.get_text() for text in axis.texts]
    assert costs == ["1", *["3", "5", "9", "17", "33"] * 2, "9", "33", "9"]
    assert "ACT[R] 5.8 at 46.5, 33.9 at 27.5" in alt


def test_our_mark_has_the_colour_of_its_line():
    for figure, *_ in cost_figures(ROWS, [run()]).values():
        colours = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
        if "ours: HM[S,gLGA]&ICS" in colours:
            assert colours["ours: HM[S,gLGA]&ICS"] == colours["HM[S,gLGA]&ICS"]


def test_seeds_of_a_method_have_one_mark():
    weights = ({"weights_hash": seed} for seed in "ab")
    runs = [run([*clean(**own), *attacked(**own)]) for own in weights]
    method = Method("HM[S,gLGA]&ICS, ema 0.99", [own.recorded for own in runs])
    for figure, *_ in cost_figures(ROWS, runs, [method]).values():
        marks = [line for line in figure.axes[0].lines if line.get_label().startswith("ours")]
        assert {line.get_label() for line in marks} <= {"ours: HM[S,gLGA]&ICS, ema 0.99"}
        assert len({(line.get_marker(), line.get_color()) for line in marks}) == bool(marks)
    assert len(marks) == 2


def test_other_data_have_axes_of_their_own():
    results = changed_data([*clean(), *attacked()], "digits")
    other = run_of("table5/HM[S,gLGA]&ICS/8", results, dataset="digits", bn="live")
    figures = cost_figures(ROWS, [other])
    label = "ours: HM[S,gLGA]&ICS"
    for name, panels in (("figure1", 2), ("figure8", 4)):
        axes = figures[name][0].axes
        assert [label in drawn(axis) for axis in axes] == sorted([label in drawn(a) for a in axes])
        assert len(axes) == panels and "other data" in figures[name][2]
        assert set(drawn(axes[-1])) == {label}


def test_figure_4_shows_how_the_destination_rises():
    lines = [
        {"step": 10, "triplet": 0.19, "destination": -0.18, "hardness": -0.1},
        {"step": 20, "triplet": 0.05, "destination": -0.05, "hardness": -0.04},
    ]
    own = run()
    own.recorded.metrics = lambda: lines
    figure, alt, _ = balance_figure([own])
    assert drawn(figure.axes[0]) == {
        "triplet loss": [[10, 0.19], [20, 0.05]],
        "destination hardness": [[10, -0.18], [20, -0.05]],
        "hardness reached": [[10, -0.1], [20, -0.04]],
    }
    assert "destination hardness -0.180 to -0.050" in alt
    constant = run_of("table3/HM[S,M]/8")
    assert balance_figure([constant]) is None


def test_the_papers_map_stands_beside_both_of_ours_and_is_never_comparable():
    found = beside(ROW, run([*clean(), *attacked()]))
    lines = lines_of(found)
    assert lines["mAP"] == ("21.4 ?", "21.4", "+0.0")
    assert lines["MAP@10"] == ("21.4 ?", "20.0", "-1.4")
    assert lines["R@1"] == ("37.2", "37.2", "+0.0")
    assert found.statement.endswith(MIXED)
