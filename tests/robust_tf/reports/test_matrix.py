"""Methods against attacks, on records made by hand: rows, seeds, leaders, per-image outcomes."""

import dataclasses
import re

import numpy as np
import pytest
from made_results import BALL, made

from robust_tf.reports.matrix import Entry, matrix
from robust_tf.reports.matrix_view import add_matrix, page_of, show, terminal_lines
from robust_tf.reports.outcomes import Outcomes
from robust_tf.reports.page import Page
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.reports.verdict import decisive, headline, verdict, verdicts
from robust_tf.results import jsonl
from robust_tf.results.cache import ResultsCache
from robust_tf.results.result import wilson_interval

ATTACKED = {"um": "0.3", "at": "0.1", "tla": "0.2"}
LINES = jsonl.read
FLAGS = {"train_steps": 600, "eps": "0.1", "method": "tla", "workdir": "a"}


def record(attack, correct, n=100, seed=0, settings=None, weights="w", **changes):
    counted = {"n": n, "correct": correct, "interval": wilson_interval(correct, n)}
    about = {"training_seed": seed, "attack_settings": settings or {}, "weights_hash": weights}
    return made(attack, correct / n, **counted, **about, **changes)


def run(*results, path="run", **flags):
    return RecordedRun(path, list(results), {"flags": {**FLAGS, **flags}})


def read(flags):
    return flags.keys() - {"seed", "workdir", "method"}


def entries(run):
    return [Entry(result.column, result) for result in run.results]


def compared(*runs, titles="ABC"):
    return matrix(runs, titles[: len(runs)], read, entries)


def test_only_titles_that_are_alike_name_the_flags_that_differ():
    """What tells two methods apart says nothing of a third one, even where it differs there too."""
    runs = [run(record("clean", 90), eps=eps) for eps in ("0.3", "0.1", "0.2")]
    assert compared(*runs, titles=["AT", "TLA", "TLA"]).names == [
        "AT",
        "TLA, eps 0.1",
        "TLA, eps 0.2",
    ]


def test_a_flag_that_an_older_run_lacks_is_not_in_its_name():
    first, second = (run(record("clean", 90), warm=warm) for warm in (0, 5))
    older = run(record("clean", 80), eps="0.2")
    names = compared(first, second, older, titles=["A"] * 3).names
    assert names == ["A, eps 0.1, warm 0", "A, eps 0.1, warm 5", "A, eps 0.2"]


def test_where_many_flags_differ_each_name_says_what_is_unusual():
    changes = (
        {},
        {"ema": "0.99"},
        {"start": "at"},
        {"warmup": "200"},
        {"ema": "0.99", "start": "at"},
    )
    base = {"ema": "none", "start": "none", "warmup": "0"}
    runs = [run(record("clean", 90), **{**base, **change}) for change in changes]
    assert compared(*runs, titles=["HM"] * 5).names == [
        "HM",
        "HM, ema 0.99",
        "HM, start at",
        "HM, warmup 200",
        "HM, ema 0.99, start at",
    ]


def test_methods_that_share_a_value_are_told_together():
    runs = [run(record("clean", 90), eps=eps) for eps in ("0.1", "0.2", "0.1", "0.3", "0.1", "0.2")]
    found = compared(*runs, titles="ABCDEF").trainings
    assert found == ["eps 0.1 (3 methods), 0.2 (B, F), 0.3 (D)"]


def test_a_training_that_does_not_read_a_flag_is_no_part_of_a_difference():
    runs = [run(record("clean", 90), method=name, eps=eps) for name, eps in ATTACKED.items()]

    def read_by(flags):
        return read(flags) - ({"eps"} if flags["method"] == "um" else set())

    found = matrix(runs, [*ATTACKED], read_by, entries)
    assert found.trainings == ["eps 0.1 (at), 0.2 (tla)"]


def test_only_the_same_measurement_stands_in_one_row():
    first = run(record("clean", 90), record("pgd", 50, settings={"steps": 10}), record("fgsm", 60))
    second = run(record("clean", 80), record("pgd", 40, settings={"steps": 20}))
    assert [row.title for row in compared(first, second).rows] == ["clean"]
    unlike = compared(*(run(record("pgd", 50, settings={"steps": k})) for k in (10, 20)))
    (said,) = terminal_lines(unlike)  # and no empty tables
    assert said.endswith("No measurement is common to two methods.")
    wider = dataclasses.replace(record("pgd", 30), threat_model={**BALL, "eps": 0.2})
    both = record("pgd", 50), wider
    found = compared(run(*both), run(*both))
    assert [row.title for row in found.rows] == ["pgd, eps 0.1", "pgd, eps 0.2"]
    assert found.measurements == []


def test_no_two_rows_have_one_title():
    """Seeds measured in two ways are two rows; by their title, pictures and verdicts find them."""
    often, steps = {"steps": 10, "restarts": 5}, {"steps": 10, "restarts": 1}
    runs = [
        run(record("pgd", 50, seed=seed, settings=settings), train_steps=method)
        for method in (300, 600)
        for seed, settings in ((0, often), (1, steps))
    ]
    found = matrix(runs, ["A", "A", "B", "B"], read, entries)
    assert [row.title for row in found.rows] == ["pgd, restarts 5", "pgd, restarts 1"]


def test_runs_that_differ_in_their_seed_are_one_method():
    runs = [run(record("clean", 90 + 2 * s, seed=s), seed=s, workdir=str(s)) for s in range(2)]
    other = run(record("clean", 80), train_steps=300)
    found = compared(*runs, other, titles="AAA")
    assert [m.title for m in found.methods] == [
        "A, train_steps 600 (2 seeds)",
        "A, train_steps 300",
    ]
    cell = found.rows[0].cells["A, train_steps 600"]
    assert (cell.value, cell.spread) == (91.0, pytest.approx(2**0.5))
    assert found.trainings == ["train_steps 600 (A, train_steps 600), 300 (A, train_steps 300)"]


def test_methods_of_the_same_seeds_are_compared_pair_by_pair():
    left = {"A": (50, 61, 40), "B": (52, 62, 43)}
    runs = [
        (name, run(record("pgd", correct, seed=seed), seed=seed, method=name))
        for name, corrects in left.items()
        for seed, correct in enumerate(corrects)
    ]
    titles, runs = zip(*runs, strict=True)
    for count, test in ((6, "paired t over seeds"), (5, "Welch over seeds")):
        found = compared(*runs[:count], titles=titles).rows[0].difference("A", "B")
        assert (found.test, found.value > 0) == (test, True)


def test_the_longest_worst_case_decides_or_else_the_lowest_attack():
    worst = [record("worst case", 30, settings={"over": ["a", "b", "c"][:k]}) for k in (2, 3)]
    shared = [record("clean", 90), record("pgd", 50), record("fgsm", 20)]
    for results, title in ((shared, "fgsm"), (shared[:1], "clean")):
        assert decisive(compared(run(*results), run(*results)).rows).title == title
    found = compared(run(*shared, *worst), run(*shared, *worst))
    assert decisive(found.rows).over == ("a", "b", "c")


def test_a_stronger_measurement_of_some_methods_has_its_own_sentence():
    """What all methods share may be a weak attack, under which the order is another one."""
    worst = {"settings": {"over": ["clean", "standard"]}}
    first = run(record("pgd", 50), record("worst case", 40, **worst))
    second = run(record("pgd", 80), record("worst case", 10, **worst))
    found = compared(first, second, run(record("pgd", 30)))
    assert [row.missing for row in found.rows] == [(), ("C",)]
    strong, weak = verdicts(found.rows).split(". ")
    end = "under pgd on 100 images; 2 comparisons, Holm's correction."
    assert weak.startswith("B is ahead of A") and weak.endswith(end)
    assert strong.startswith("A is ahead of B") and "under worst case" in strong
    shown = "\n".join(terminal_lines(found))
    assert any(line.split()[-1] == "-" for line in shown.splitlines() if "worst case  1" in line)


def test_a_score_over_all_attacks_has_its_own_sentence_with_the_seeds_it_lacks():
    """A worst case may leave nothing of all methods."""

    def scored(seed, score, path):
        return run(record("worst case", 0, seed=seed), record("score", score, seed=seed), path=path)

    def summed(run):
        return [Entry(r.column, r, sums_up=r.attack == "score") for r in run.results]

    runs = [scored(0, 10, "a0"), scored(1, 11, "a1"), scored(0, 40, "b0")]
    runs.append(run(record("worst case", 0, seed=1), path="b1"))
    worst, score = verdicts(matrix(runs, "AABB", read, summed).rows).split(". ")
    assert worst == "All methods have 0, under worst case on 100 images"
    assert score.startswith("B ") and "under score" in score
    assert score.endswith("; B with 1 of 2 seeds.")
    assert "score" not in verdicts(matrix(runs, "AABB", read, entries).rows)


def test_a_leader_that_loses_clean_images_to_the_next_is_told():
    """A network near collapse leads under attack."""
    first = run(record("clean", 90), record("pgd", 10))
    third = run(record("clean", 99), record("pgd", 5))
    second = run(record("clean", 40), record("pgd", 35))
    said = verdicts(compared(first, second, third).rows)
    assert said.endswith("On clean images B is behind A: 40.0 beside 90.0 (clean).")
    second = run(record("clean", 89), record("pgd", 35))
    assert "clean" not in verdicts(compared(first, second, third).rows)


def test_differences_without_intervals_are_not_called_tested():
    runs = [run(dataclasses.replace(record("score", k), interval=None)) for k in (10, 20, 40, 30)]
    said = verdicts(compared(*runs, titles="ABCD").rows)
    leads = "C leads D (+10.00), B (+20.00), A (+30.00) (points; not tested)"
    assert said == f"{leads}, under score on 100 images."


def test_methods_of_which_nothing_is_left_have_no_leader():
    nothing = compared(*(run(record("pgd", 0)) for _ in "ABCD"), titles="ABCD")
    assert verdicts(nothing.rows) == "All methods have 0, under pgd on 100 images."
    unlike = compared(*(run(record("clean", k), record("pgd", 0)) for k in (10, 90)))
    assert verdicts(unlike.rows) == "All methods have 0, under pgd on 100 images."


def test_the_verdict_names_the_leader_and_whether_anything_is_separated():
    (row,) = compared(run(record("pgd", 50)), run(record("pgd", 80))).rows
    assert verdict(row) == (
        "B is ahead of A by +30.00 points (95 % interval +16.91 to +41.70, unpaired), under pgd on "
        "100 images."
    )
    (row,) = compared(run(record("pgd", 50)), run(record("pgd", 52))).rows
    assert verdict(row).startswith("Nothing is separated: B − A is +2.00 points (95 % interval -11")
    unknown = dataclasses.replace(record("pgd", 80), interval=None)
    (row,) = compared(run(record("pgd", 50)), run(unknown)).rows
    assert verdict(row) == "B − A is +30.00 points (not tested), under pgd on 100 images."
    (row,) = compared(run(record("pgd", 50)), run(record("pgd", 80)), run(record("pgd", 79))).rows
    assert verdict(row).startswith("B is ahead of A by +30") and "B − C is +1.00" in verdict(row)
    assert "not separated, under pgd" in verdict(row)
    assert verdict(row._replace(title="pgd, n 100")) == verdict(row)  # n is said once


def test_a_leader_of_many_is_ahead_only_beyond_what_many_comparisons_find():
    """50 and 64 of 100 unpaired images differ with p = 0.046 alone."""
    left = (64, 50, 57, 58)
    for count in (2, 4):
        (row,) = compared(*(run(record("pgd", k)) for k in left[:count]), titles="ABCD").rows
        said, corrected = verdict(row), "3 comparisons, Holm's correction"
        assert said.startswith("A is ahead of B" if count == 2 else "Nothing is separated")
        assert (corrected in said) == (count > 2)
    assert "A is not separated from D (+6.00), C (+7.00), B (+14.00) (points; tested), " in said


def test_what_differs_in_training_is_said_first(capsys, tmp_path):
    found = compared(run(record("pgd", 50)), run(record("pgd", 80), train_steps=300))
    page = tmp_path / "page.html"
    show(found, page)
    out = capsys.readouterr().out
    assert out.startswith("The trainings differ: train_steps 600 (A), 300 (B).\nB is ahead of A")
    assert max(map(len, out.splitlines())) <= 100
    assert '<p class="lead">The trainings differ: train_steps 600 (A), 300 (B).' in page.read_text()


def test_a_page_says_what_its_signs_mean_and_the_n_of_each_row(tmp_path):
    def page(*runs, titles="AB"):
        show(compared(*runs, titles=titles), tmp_path / "page.html")
        return (tmp_path / "page.html").read_text("utf-8")

    first, second = (run(record("clean", k), record("pgd", k, n=500)) for k in (50, 80))
    text = page(first, second)
    assert "<span>clean, n 100</span>" in text and "<span>pgd, n 500</span>" in text
    assert "In %; whiskers: 95 % interval." in text
    caption = "values and differences; in parentheses: 95 % interval; * and coloured: separated"
    assert f'<p class="caption">{caption}' in text and "±" not in text
    assert "+30.00 (+16.91 to +41.70) *" in text  # not by its colour alone
    without = dataclasses.replace(record("pgd", 50), interval=None)
    text = page(run(record("clean", 50), without))
    assert "In %; n 100; whiskers: 95 % interval. Bars without whiskers have no interval." in text
    assert "In %; n 100; no intervals.<" in page(run(without))
    seeds = [run(record("clean", 50 + k, seed=k)) for k in (0, 1)]
    text = page(*seeds, titles="AA")
    assert "In %; n 100; whiskers: one standard deviation over seeds." in text
    assert '<p class="caption">values; ±: one standard deviation over seeds</p>' in text


def test_a_picture_of_many_rows_is_described_by_what_decides():
    left = {"clean": 90, "fgsm": 70, "pgd": 50, "square": 60}
    for count in (3, 4):
        page = Page("x")
        add_matrix(page, compared(run(*(record(*item) for item in [*left.items()][:count]))))
        (alt,) = re.findall('role="img" aria-label="(.*?)"', page.html())
        assert ("fgsm" in alt) == (count == 3) == ("in the table" not in alt)
        assert alt.startswith("clean: A 90.00 (") and "pgd: A 50.00 (" in alt


def test_the_title_of_a_page_stays_short():
    runs = [run(record("clean", 50, seed=seed)) for seed in (0, 1)]
    long = ["TLA, triplet_warmup_steps 1000", "TLA, attack_objective full"]
    longer = [f"{name}, model wong_mnist" for name in long]
    for titles, shown in (
        ("AA", "A (2 seeds)"),
        (long, ", ".join(long)),
        ([long[0]] * 2 + [long[1]] * 2, ", ".join(long)),  # without the seeds
        (longer, "2 methods"),
    ):
        own = runs * (len(titles) // 2)
        assert f"<h1>{shown} on digits</h1>" in page_of(compared(*own, titles=titles)).html()


def test_what_differs_in_the_measurements_is_a_sentence():
    """Without it, a row that is missing from the table looks as if nobody had measured it."""
    deep = {"settings": {"steps": 20, "over": ["clean"]}}
    first = run(record("clean", 9), record("pgd", 50, settings={"steps": 10}), record("square", 60))
    second = run(
        record("clean", 8),
        record("pgd", 20, n=50, settings={"steps": 20}),
        record("worst", 1, **deep),
    )
    small, large = (
        run(dataclasses.replace(record("fgsm", 60), threat_model={**BALL, "eps": eps / 255}))
        for eps in (8, 16)
    )
    assert compared(small, large).measurements == ["fgsm: eps 8/255 (A), 16/255 (B)"]
    found = compared(first, second)
    assert found.measurements == [
        "pgd: n 100 (A), 50 (B); steps 10 (A), 20 (B)",
        "square of A only",
    ]
    message, _ = headline(found)
    assert message.startswith(
        "The measurements differ: pgd: n 100 (A), 50 (B); steps 10 (A), 20 (B)"
    )
    alike = headline(compared(run(record("pgd", 50)), run(record("pgd", 80))))[0]
    assert alike.startswith("B is ahead") and "differ in the method and the seed only" in alike


def test_a_terminal_shows_any_number_of_methods_in_100_columns():
    runs = [
        run(record("some-long-attack-of-20pgd20-rounded", 50 + k), eps=str(k)) for k in range(5)
    ]
    found = compared(*runs, titles=["HM[S,gLGA]&ICS", *"BCDE"])
    lines = "\n".join(terminal_lines(found)).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("some-long") for line in lines) == 3 + 4  # values in three blocks


def test_a_doubted_number_is_never_without_its_doubt():
    (row,) = compared(run(record("pgd", 50)), run(record("pgd", 80))).rows
    doubted = Entry("pgd", type("Doubted", (), {"warnings": [{"name": "x", "message": "zero"}]})())
    assert row.cells["A"].warnings == ()
    assert row.cells["A"]._replace(entries=[doubted]).warnings == ("zero",)


def test_a_red_check_changes_the_headline(monkeypatch):
    found = compared(run(record("pgd", 50)), run(record("pgd", 80)))
    assert headline(found)[1] == ""
    red = {"name": "gradients", "status": "red", "figure": "zero"}
    monkeypatch.setattr(RecordedRun, "check_groups", lambda self: [[red]])
    message, level = headline(found)
    assert level == "red" and "Doubtful, checks are red (gradients: A, B). B is" in message


def test_what_the_evaluation_doubts_changes_the_headline():
    doubted = record("pgd", 80, warnings=[{"name": "collapsed", "message": "R@1 is at chance"}])
    message, level = headline(compared(run(record("pgd", 50)), run(doubted)))
    assert level == "red" and message.startswith("Doubtful, B: R@1 is at chance. B is ahead of A")


def store(folder, attack, outcomes, settings=None, examples="images", **changes):
    """Keeps outcomes as an evaluation does: dict restart -> (rows, bool [rows])."""
    identity = {
        "attack": attack,
        "settings": settings or {},
        "threat_model": None if attack == "clean" else BALL,
        "weights_hash": "w",
        "precision": "float32",
        "seed": 0,
        "examples": examples,
        **changes,
    }
    count = max(int(np.max(rows)) for rows, _ in outcomes.values()) + 1
    cache = ResultsCache(count, folder / "evaluation", identity)
    for restart, (rows, correct) in outcomes.items():
        cache.add(restart, np.array(rows), {"correct": np.array(correct)})


@pytest.fixture
def stored(tmp_path):
    everything = [0, 1, 2, 3]
    store(tmp_path, "clean", {0: (everything, [True, True, True, False])})
    restarts = {0: (everything, [True, True, False, False]), 1: ([0, 1], [False, True])}
    store(tmp_path, "pgd", restarts, {"restarts": 2})
    store(tmp_path, "apgd", {0: ([0, 1, 2], [True, False, True])})
    store(tmp_path, "square", {0: ([0, 2], [True, False])})
    return tmp_path


def test_outcomes_of_restarts_ensembles_and_worst_cases(stored):
    results = [
        record("clean", 3, 4),
        record("pgd", 1, 4, settings={"restarts": 2}),
        record("apgd", 2, 4, after=("clean",)),
        record("square", 1, 4, after=("clean", "apgd")),
        record("standard", 1, 4, settings={"members": ["apgd", "square"]}),
        record("worst case", 0, 4, settings={"over": ["clean", "pgd", "standard"]}),
    ]
    outcomes = Outcomes(run(*results, path=stored))
    expected = [[1, 1, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    for result, correct in zip(results, expected, strict=True):
        found, images = outcomes.of(result)
        assert found.tolist() == list(map(bool, correct)), result.attack
        assert images == ("images", "all")


def test_no_restart_follows_one_that_leaves_no_image(stored):
    store(stored, "fgsm", {0: ([0, 1, 2, 3], [False] * 4)}, {"restarts": 20})
    lost = record("fgsm", 0, 4, settings={"restarts": 20})
    assert Outcomes(run(lost, path=stored)).of(lost)[0].tolist() == [False] * 4


def test_an_ensemble_needs_no_record_of_its_clean_images(stored):
    results = [
        record("apgd", 2, 4, after=("clean",)),
        record("standard", 2, 4, settings={"members": ["apgd"]}),
        record("worst case", 2, 4, settings={"over": ["clean", "standard"]}),
    ]
    outcomes = Outcomes(run(*results, path=stored))
    for result in results:
        assert outcomes.of(result)[0].tolist() == [True, False, True, False]


def test_outcomes_of_fewer_images_do_not_hide_those_of_all(stored):
    for name in "abcdefgh":  # some of them are found first
        store(stored, "clean", {0: ([0, 1], [True, True])}, examples=name)
        store(stored, "apgd", {0: ([0, 1], [False, False])}, examples=name)
    results = [record("clean", 3, 4), record("apgd", 2, 4, after=("clean",))]
    found, images = Outcomes(run(*results, path=stored)).of(results[1])
    assert found.tolist() == [True, False, True, False] and images == ("images", "all")


def test_outcomes_that_are_not_those_of_the_record_are_not_used(stored):
    for unlike in (
        record("clean", 2, 4),  # other number
        record("clean", 3, 4, weights="others"),
        record("clean", 3, 3),  # other images
        record("pgd", 1, 4),  # other settings
        record("worst case", 0, 4, settings={"over": ["clean", "fab"]}),
    ):
        assert Outcomes(run(unlike, path=stored)).of(unlike) is None
    old = stored / "evaluation" / "old.jsonl"
    old.write_text(
        '{"identity": {"attack": "clean"}}\n{"restart": 0, "batch": 0, "correct": [1]}\n'
    )
    assert Outcomes(run(record("clean", 3, 4), path=stored)).of(record("clean", 3, 4))


def test_outcomes_of_queries_are_the_measures_of_the_attack(tmp_path):
    """Of a part of the gallery only; the modes of some attacks are the same and run once."""
    identity = {"attack": "ES", "mode": "fixed", "strength": "protocol", "settings": {"steps": 9}}
    identity |= {"threat_model": BALL, "weights_hash": "w", "precision": "float32", "seed": 0}
    identity |= {"substitute": None, "examples": "images"}
    cache = ResultsCache(5, tmp_path / "evaluation", identity)
    measured = {"distance": np.array([0.5, 1.5]), "R@1": np.array([1.0, 0.0])}
    cache.add(0, np.array([1, 3]), measured)
    settings = {"steps": 9, "mode": "compat", "strength": "protocol", "gallery": 5}
    recall = record("ES", 1, 2, settings=settings, metric="R@1")
    distance = record("ES", 2, 2, settings=settings, metric="distance")
    distance = dataclasses.replace(distance, correct=None, interval=None)
    worst = record("worst case", 1, 2, settings={**settings, "over": ["ES"]}, metric="R@1")
    outcomes = Outcomes(run(recall, distance, worst, path=tmp_path))
    for result, values in ((recall, [True, False]), (distance, [0.5, 1.5]), (worst, [True, False])):
        found, where = outcomes.of(result)
        assert found.tolist() == values and where == ("images", "[1, 3]")
    stronger = record("ES", 1, 2, settings={**settings, "strength": "strong"}, metric="R@1")
    assert outcomes.of(stronger) is None


def test_outcomes_of_all_queries_where_images_of_the_gallery_are_none(tmp_path):
    """Images 0, 2 and 4 are the only ones of their classes."""
    for attack in ("clean", "ES"):
        store(tmp_path, attack, {0: ([1, 3, 5], [True, False, True])})
        found = record(attack, 2, 3)
        correct, where = Outcomes(run(found, path=tmp_path)).of(found)
        assert correct.tolist() == [True, False, True] and where == ("images", "[1, 3, 5]")
        fewer = record(attack, 1, 2)
        assert Outcomes(run(fewer, path=tmp_path)).of(fewer) is None


def test_outcomes_of_fewer_queries_than_are_known(tmp_path, monkeypatch):
    """The training's own evaluation attacks all queries; the record spreads three over them."""
    read = []
    monkeypatch.setattr(
        "robust_tf.results.jsonl.read", lambda path: read.append(path) or LINES(path)
    )
    identity = {"strength": "protocol", "threat_model": BALL, "weights_hash": "w", "seed": 0}
    identity |= {"precision": "float32", "substitute": None, "examples": "images"}
    ranks = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    for attack, known in (("ES", [1, 2, 3, 4, 5]), ("QA+", [1, 2, 3, 5])):
        cache = ResultsCache(6, tmp_path / "evaluation", {**identity, "attack": attack})
        cache.add(0, np.array(known), {"rank": ranks[np.array(known) - 1]})
    settings = {"strength": "protocol", "gallery": 6}
    for attack in ("ES", "QA+"):
        fewer = record(attack, 0, 3, settings=settings, metric="rank")
        fewer = dataclasses.replace(fewer, correct=None, value=0.3)
        found, where = Outcomes(run(fewer, path=tmp_path)).of(fewer)
        assert found.tolist() == [0.1, 0.3, 0.5] and where == ("images", "[1, 3, 5]")
        assert Outcomes(run(path=tmp_path)).of(dataclasses.replace(fewer, value=0.31)) is None
    outcomes = Outcomes(run(path=tmp_path))
    read.clear()
    records = [dataclasses.replace(fewer, training_seed=k) for k in range(9)]
    assert all(map(outcomes.of, records))
    assert len(read) == 9 + 2  # the other attack's file is not read for every record


def test_methods_on_the_same_images_are_paired(stored, tmp_path):
    result = record("clean", 3, 4)
    outcome = Outcomes(run(result, path=stored)).of(result)

    def paired(run):
        own = outcome if run.flags["eps"] == "0.1" else (~outcome[0], outcome[1])
        return [Entry("clean", run.results[0], own)]

    runs = run(result), run(record("clean", 1, 4), eps="0.2")
    (row,) = matrix(runs, "AB", read, paired).rows
    assert row.difference("A", "B").test == "McNemar"
    assert row.difference("A", "B").value == -50
    seeds = [
        run(record("clean", count, 4, seed=seed), seed=seed, eps=eps)
        for eps, count in (("0.1", 3), ("0.2", 1))
        for seed in (0, 1)
    ]
    (row,) = matrix(seeds, "AABB", read, paired).rows
    assert row.difference("A", "B").test == "seeds and images"
    assert row.difference("A", "B").value == -50
    (row,) = matrix(seeds[:3], "AAB", read, paired).rows
    assert row.difference("A", "B").test == "seeds and images"


def test_a_terminal_says_what_stands_behind_the_sign():
    seeds = [run(record("clean", 90 - seed, seed=seed)) for seed in (0, 1)]
    lines = list(terminal_lines(compared(*seeds, titles="AA")))
    assert "89.50 ± 0.71" in lines[0] and lines[1] == "±: one standard deviation over seeds"
    assert len(list(terminal_lines(compared(seeds[0])))) == 1


def test_worst_cases_of_as_many_attacks_are_told_apart_by_the_attacks_they_do_not_share():
    """Of table 1, where each seed has substitutes of its own."""
    shared = ["clean", "fgsm", "20pgd100"]
    both = [
        record("worst case", 40 + k, settings={"over": [*shared, f"transfer-pgd7 from um-seed{k}"]})
        for k in (1, 2)
    ]
    found = compared(run(*both, path="a"), run(*both, path="b"), titles="AB")
    wanted = [f"worst case, over transfer-pgd7 from um-seed{k}" for k in (1, 2)]
    assert [row.title for row in found.rows] == wanted
