"""Published numbers beside ours, on records made by hand and on a run folder."""

import dataclasses
import json

import pytest
from made_results import BALL, DOUBTED, made

from robust_tf.reports.comparison import statement
from robust_tf.reports.page import Page
from robust_tf.reports.published import find
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.reports.result_tables import MEASUREMENT_COLUMNS
from robust_tf.reports.table import filled
from robust_tf.results.result import append_results
from tla_tf import compare
from tla_tf.options import TRAIN
from tla_tf.reporting import comparison, published_rows

PAPER = TRAIN.resolve(["--dataset=cifar10", "--method=tla"])
ROWS = [find(published_rows.rows(TRAIN), f"table1/cifar10/{method}") for method in ("at", "tla")]


def record(attack, value, **changes):
    facts = {"dataset": "cifar10", "n": 10_000, "model": "wrn_32_10"}
    facts["threat_model"] = {} if attack == "clean" else {**BALL, "eps": 8 / 255}
    facts["interval"] = value - 0.01, value + 0.01
    return made(attack, value, **{**facts, **changes})


def run(*results, **changed):
    return RecordedRun("run", list(results), {"flags": {**PAPER, **changed}})


def line(found):
    return filled(comparison.COLUMNS, [found])[1][0]


def said(found):
    return statement(found.differences, comparison.SHOWN)


def metric(result):
    return filled(MEASUREMENT_COLUMNS, [[result]])[1][0][2]


def compared(*runs):
    return comparison.compare(ROWS, list(runs))


def test_a_comparable_number():
    (found,) = compared(run(record("pgd20", 0.5)))
    assert line(found) == (*("pgd20", "51.59", "50.00", "-1.59", "10,000", "49.00 to 51.00", "1"),)
    assert said(found) == "comparable"


def test_seeds_are_one_comparison():
    second = dataclasses.replace(record("clean", 0.9), training_seed=7)
    (found,) = compared(run(record("clean", 0.8)), run(second, seed=7, workdir="b"))
    assert line(found)[2:] == ("85.00", "-1.21", "10,000", "± 7.07 over seeds", "2")


def test_what_differs_is_named_and_kept_apart():
    short = run(record("clean", 0.4, n=100), train_steps=100, model="wrn_10_1", margin=0.05)
    same, other = compared(run(record("clean", 0.8)), short)
    assert said(same) == "comparable"
    assert said(other) == (
        "not comparable: model wrn_10_1, not wrn_32_10; train_steps 100, not 80000; "
        "margin 0.05, not 0.03; "
        "n 100, not 10,000"
    )


def test_flags_that_a_method_does_not_read_differ_freely():
    at = run(record("clean", 0.8, method="at"), method="at", margin=9.0, alp_weight=3.0)
    assert compared(at)[0].differences == ()
    assert compared(run(record("clean", 0.8), alp_weight=3.0))[0].differences == ()


def test_many_differences_are_cut_short():
    changes = {"batch_size": 1, "margin": 1.0, "lambda_norm": 1.0, "weight_decay": 1.0}
    found = run(record("clean", 0.8), **changes, reduction="sum", norm_form="x", positive="own")
    assert said(compared(found)[0]).endswith("; and 1 more")


def test_another_radius_norm_or_ensemble_is_no_comparison():
    wider = record("pgd20", 0.2, threat_model={"eps": 16 / 255, "norm": "linf"})
    l2 = record("pgd20", 0.2, threat_model={"eps": 8 / 255, "norm": "l2"})
    member = record("pgd20", 0.2, after=("clean",))
    assert compared(run(wider, l2, member)) == []


def test_transfer_names_its_source():
    (found,) = compared(run(record("transfer-pgd7 from um", 0.7)))
    assert line(found)[:4] == ("transfer-pgd7 from um", "70.63", "70.00", "-0.63")


def test_a_number_that_its_evaluation_doubts_is_marked_and_the_doubt_is_said():
    doubted = dataclasses.replace(record("clean", 0.9, warnings=DOUBTED), training_seed=7)
    found = compared(run(record("clean", 0.8)), run(doubted, seed=7))
    assert [line(one)[2] for one in found] == ["85.00 !"]
    (text,) = comparison.comparison_lines(found)
    assert text.splitlines()[-1] == "! zero gradients"
    page = Page("paper")
    comparison.add_comparisons(page, found, "table 1")
    assert "85.00 !" in page.html() and "! zero gradients" in page.html()
    (sure,) = comparison.comparison_lines(compared(run(record("clean", 0.8))))
    assert "!" not in sure


def test_transfers_of_seeds_are_one_comparison_and_of_a_substitute_the_paper_does_not_name():
    """The substitute of a seed is of the next one."""
    names = ["transfer-pgd7 from um-wrn_32_10-seed1", "transfer-pgd7 from um-wrn_32_10-seed2"]
    first, second = (record(name, 0.7 + k / 10) for k, name in enumerate(names))
    (found,) = compared(run(first), run(dataclasses.replace(second, training_seed=1), seed=1))
    about = "transfer-pgd7 from um-wrn_32_10", "70.63", "75.00", "+4.37"
    assert line(found)[:4] == about and line(found)[-1] == "2"
    assert found.differences == ("substitute chosen here, the paper names none",)
    both = compared(run(first, second))
    assert [line(one)[0] for one in both] == names
    assert [line(one)[2] for one in both] == ["70.00", "80.00"]


def test_doubt_and_ratios():
    published = [find(published_rows.rows(TRAIN), "table2/cifar10/tla/8/255")]
    ratio = record("pgd20", 1.2, metric="separation ratio", interval=None)
    (found,) = comparison.compare(published, [run(ratio)])
    assert line(found)[:6] == (
        *("separation ratio, pgd20", "1.093", "1.200", "+0.107", "10,000", "-"),
    )
    left_out = dataclasses.replace(ratio, metric="separation ratio: classes left out")
    for count, said in ((0, ()), (3, ("3 classes left out",))):
        counted = dataclasses.replace(left_out, value=count)
        (found,) = comparison.compare(published, [run(ratio, counted)])
        assert found.differences == said
    published = [find(published_rows.rows(TRAIN), "table1/cifar10/tla_rn")]
    doubtful = record("20pgd20", 0.5, method="tla_rn")
    (found,) = comparison.compare(published, [run(doubtful)])
    assert line(found)[1] == "45.55 ?"


def test_of_repeated_measurements_the_largest_then_the_latest():
    old = record("clean", 0.1, weights_hash="before")
    many, again, few = (record("clean", v, n=n) for v, n in ((0.7, 9), (0.8, 9), (0.9, 3)))
    assert RecordedRun("run", [old, many, again, few], {}).results == [again]


def neighbours(value, **changes):
    metric = "50-NN accuracy"
    return record("clean", value, metric=metric, **changes)


def test_fewer_training_images_are_named_and_never_stand_for_all():
    published = [find(published_rows.rows(TRAIN), "table3/cifar10/tla")]
    few = neighbours(0.9, attack_settings={"train_images": 500, "train_split": 50_000})
    all_of_them = neighbours(0.8, attack_settings={"train_images": 9, "train_split": 9})
    (found,) = comparison.compare(published, [run(few)])
    assert found.differences == ("500 training images, not 50,000",)
    assert metric(few) == "50-NN accuracy, 500 of 50,000 training images"
    # Records from before the number was recorded say nothing, and count as of all.
    for full in (neighbours(0.8), all_of_them):
        assert run(full, few).results == [full] and run(few, full).results == [full]
        assert comparison.compare(published, [run(full, few)])[0].differences == ()
        assert metric(full) == "50-NN accuracy"
    older = neighbours(0.7)
    assert run(older, all_of_them).results == [all_of_them]
    assert run(few, neighbours(0.7, n=100)).results[0].n == 100


def test_the_command_finds_runs_and_names_what_is_missing(tmp_path, capsys):
    folder = tmp_path / "deep" / "run"
    folder.mkdir(parents=True)
    append_results(folder / "results.jsonl", [record("clean", 0.8)])
    (folder / "config.json").write_text(json.dumps({"flags": PAPER}))
    append_results(tmp_path / "more.jsonl", [record("clean", 0.6, method="at", model="wrn_10_1")])
    assert compare.main(["compare", f"--runs={tmp_path},{tmp_path / 'more.jsonl'}"]) == 0
    out = capsys.readouterr().out
    assert "not comparable: model wrn_10_1, not wrn_32_10; other settings of the training" in out
    assert max(map(len, out.split("no results yet")[0].splitlines())) <= 100
    assert "86.21  80.00  -6.21" in out
    assert "no results yet: table1, cifar10, um, alp, tla_rn, tla_sa; e.g. python -m tla_tf" in out


def test_runs_that_the_paper_has_no_row_of_are_named(tmp_path, capsys):
    for place, results in {
        "a": [record("clean", 0.8, dataset="digits")],
        "b": [record("pgd2", 0.8, dataset="digits", weights_hash="v")],
        "c": [record("pgd3", 0.8, method="at", weights_hash="u")],
    }.items():
        append_results(tmp_path / f"{place}.jsonl", results)
    given = ",".join(str(tmp_path / f"{place}.jsonl") for place in "abc")
    assert compare.main(["compare", f"--runs={given}"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "nothing to compare; runs with results: digits tla (2), cifar10 at (1)"
    assert said[1].startswith("digits: the paper has no row of it; its data are ")
    assert said[2].startswith("cifar10: no method, attack and radius of the paper yet; python -m")
    assert "mnist_quick.flags" in said[3] and len(said) == 4


def folder_of(path, results, **changed):
    path.mkdir()
    append_results(path / "results.jsonl", results)
    config = {"flags": {**PAPER, **changed}, "class_names": ["a", "b"], "images": None}
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_runs_are_compared_with_each_other(tmp_path, capsys):
    """AT and TLA of unequal length: what differs in training is the first thing said."""
    tla = [record("clean", 0.8), record("pgd20", 0.5, correct=5000), record("fgsm", 0.6)]
    at = [record(r.attack, r.value + 0.1, method="at", weights_hash="v") for r in tla[:2]]
    first = folder_of(tmp_path / "a", at, method="at", margin=9.0)
    second = folder_of(tmp_path / "b", tla, train_steps=40_000)
    page = tmp_path / "page.html"
    given = [f"--workdir={first},{second}", f"--html={page}"]
    assert compare.main(["compare", *given]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "The trainings differ: train_steps 80000 (AT), 40000 (TLA).\n"
        "The measurements differ: fgsm of TLA only.\nAT is ahead"
    )
    assert "under pgd20 on 10,000 images." in " ".join(out.split())
    assert out.count("fgsm") == 1 and "margin" not in out
    assert max(map(len, out.splitlines())) <= 100
    text = page.read_text()
    assert "<h1>AT, TLA on cifar10</h1>" in text and text.index("<svg") < text.index("<table")


def test_runs_that_cannot_be_compared_are_one_line(tmp_path, capsys):
    first = folder_of(tmp_path / "a", [record("clean", 0.8)])
    other = folder_of(tmp_path / "b", [record("clean", 0.8)], dataset="mnist")
    empty = folder_of(tmp_path / "c", [])
    for given, said in (
        ([f"--workdir={first},{other}"], "runs of different data cannot stand side by side"),
        ([f"--workdir={first},{first}"], "--workdir names a run twice"),
        ([f"--workdir={empty}"], "c is not finished; python -m tla_tf.train --flagfile="),
        ([f"--workdir={first}", f"--html={tmp_path}"], "it is a folder"),
    ):
        assert compare.main(["compare", *given]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


def test_runs_are_compared_with_each_other_or_with_the_paper(capsys):
    assert compare.main(["compare", "--workdir=a,b", "--runs=runs"]) == 2
    assert "--workdir compares runs, --runs sets runs beside" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["empty", "missing", "text"])
def test_bad_input_is_one_line(kind, tmp_path, capsys):
    (tmp_path / "text.md").write_text("text")
    place = {"empty": tmp_path, "missing": tmp_path / "no", "text": tmp_path / "text.md"}[kind]
    assert compare.main(["compare", f"--runs={place}"]) == 2
    error = capsys.readouterr().err
    expected = f"--runs: {place} is neither a folder of runs nor"
    if kind == "empty":
        expected = "flags/tla/mnist_quick.flags makes some in minutes, python -m tla_tf.run_table"
    assert expected in error and error.count("\n") == 1


def test_figure_5_is_of_networks_trained_at_a_tenth_of_the_attack():
    """The covariance, which the paper does not state, stands in our metric only."""
    row = find(published_rows.rows(TRAIN), "figure5/mnist/at")
    threat = {"eps": 0.3, "norm": "linf", "lower": 0, "upper": 1}
    areas = [
        record(
            "pgd100",
            value,
            **{"dataset": "mnist", "method": "at", "model": "lenet_large", "n": 20_000},
            metric=f"misclassification detection AUC, {covariance}",
            threat_model=threat,
        )
        for covariance, value in (("full covariance", 0.9), ("tied covariance", 0.8))
        + (("full covariance, detector known", 0.1),)
    ]

    def verdicts(*flags):
        flags = TRAIN.resolve(["--dataset=mnist", "--method=at", *flags])
        recorded = RecordedRun("run", areas, {"flags": flags})
        return comparison.compare([row], [recorded])

    captions = verdicts("--eps=0.03", "--attack_steps=40", "--attack_step_size=0.002")
    assert [said(found) for found in captions] == ["comparable"] * 2
    assert [line(found)[0] for found in captions] == [
        "misclassification detection AUC, full covariance, pgd100",
        "misclassification detection AUC, tied covariance, pgd100",
    ]
    assert "eps 0.3, not 0.03" in said(verdicts()[0])
    text = "\n".join(comparison.comparison_lines(captions))
    assert "figure5/mnist/at: comparable; the paper does not state the covariance" in text
