"""Sections of both papers: the grid of checks, and runs of different data."""

import html
import json
import re
import types

import pytest

from robust_tf.errors import UserError
from robust_tf.reports.methods import Method, methods_of
from robust_tf.reports.page import Page
from robust_tf.reports.recorded_run import distinct_names, without_places
from robust_tf.reports.same_data import require_same_data
from robust_tf.reports.sections import (
    add_checks,
    add_training,
    keep_commands,
    named,
    training_figure,
)


def check(name, status, n=40, eps=0.1):
    ball = {"norm": "linf", "eps": eps}
    about = {"figure": f"{name} figure", "advice": "mend it", "attack": "PGD", "threat_model": ball}
    return {"name": name, "status": status, "n": n, **about}


def run(name, *groups):
    recorded = types.SimpleNamespace(check_groups=lambda: [list(group) for group in groups])
    return types.SimpleNamespace(name=name, recorded=recorded)


def text_of(*runs, **options):
    page = Page("x")
    add_checks(page, runs, **options)
    return html.unescape(page.html())


def test_checks_are_a_grid_and_only_doubts_are_spelled_out():
    text = text_of(
        run("A", [check("restarts", "red"), check("logits", "green")]),
        run("B", [check("restarts", "green", n=9)]),
    )
    cells = re.findall(r"<t[hd]\b[^>]*>(?:<span>)?([^<]*)<", text)
    assert cells[:8] == ["run", "restarts", "logits", "A", "red", "green", "B", "green"]
    open_part, folded = text.split("<details>")
    assert "restarts. A: restarts figure → mend it" in open_part
    assert "logits figure" not in open_part and "logits figure" in folded


def test_a_doubt_of_several_runs_is_one_line():
    doubts = [run(name, [check("restarts", "amber"), check("other", "green")]) for name in "AB"]
    assert "restarts. A: restarts figure; B: restarts figure → mend it" in text_of(*doubts)


def test_the_seeds_of_a_method_have_one_colour():
    logged = [[{"step": s, "loss": 1 / s / k} for s in (1, 2)] for k in (1, 2, 3)]
    seeds = [types.SimpleNamespace(metrics=lambda lines=lines: lines) for lines in logged]
    methods = [Method("TLA", seeds[:2]), Method("AT", seeds[2:])]
    figure, _ = training_figure(methods, {"loss": ["loss"], "not logged": ["x"]})
    (axis,) = figure.axes
    first, second, other = [line.get_color() for line in axis.lines]
    assert first == second != other
    assert "TLA 1 to 0.5, TLA 0.5 to 0.25" in figure.get_label()
    assert training_figure(methods, {"x": ["x"]}) is None
    shares, _ = training_figure(methods, {"x in %": ["loss"]})
    assert "TLA 100 to 50, TLA 50 to 25" in shares.get_label()


def test_the_values_of_flags_are_words():
    flags = {"boundaries": [], "eval_attacks": ["clean", "pgd2"], "ema": None, "eps": 0.1}
    recorded = types.SimpleNamespace(
        segments=lambda: [],
        results=[types.SimpleNamespace(weights_hash="w")],
        flags=flags,
    )
    page = Page("x")
    add_training(page, [types.SimpleNamespace(name="A", recorded=recorded)], None)
    shown = re.findall(r'<td class="(?:number)?">(.*?)</td>', page.html())
    assert shown == ["none", "clean/pgd2", "none", "0.1"]


def test_threat_models_are_columns_of_their_own_and_checks_may_be_left_out():
    groups = [check("restarts", "amber")], [check("restarts", "red", eps=0.2)]
    text = text_of(run("A", *groups))
    assert ">A, linf 0.1</th>" in text and ">A, linf 0.2</th>" in text
    skip = {("A", "restarts", "restarts figure")}
    assert "restarts" not in text_of(run("A", groups[0]), skip=skip)


def folder(path, classes=("a",), images=None, **flags):
    path.mkdir()
    config = {"flags": {"dataset": "folder", **flags}, "class_names": classes, "images": images}
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_runs_of_different_data_do_not_stand_side_by_side(tmp_path):
    first = folder(tmp_path / "first")
    require_same_data([first, folder(tmp_path / "same")])
    for name, changed, said in (
        ("dataset", {"dataset": "mnist"}, "of mnist"),
        ("classes", {"classes": ("a", "b")}, "of 2 classes, a, b"),
        ("size", {"image_size": 32}, "of images of 32 pixels"),
        ("side", {"train_classes": "file.txt"}, "of training classes file.txt"),
    ):
        with pytest.raises(UserError, match=said):
            require_same_data([first, folder(tmp_path / name, **changed)])


def test_images_are_compared_where_they_are_known(tmp_path):
    images = [{"train": 9, "checksum": checksum * 8} for checksum in "12"]
    known = [folder(tmp_path / str(i), images=found) for i, found in enumerate(images)]
    older = folder(tmp_path / "older")
    with pytest.raises(UserError, match="checksum 22222222"):
        require_same_data(known)
    require_same_data([known[0], older])
    with pytest.raises(UserError, match="checksum 22222222"):
        require_same_data([known[0], older], [images[0], images[1]])


def test_runs_are_named_until_they_are_many_and_all():
    runs = [run(name) for name in "ABCD"]
    assert named(runs, runs) == "all 4 runs"
    assert named(runs[:3], runs[:3]) == named(runs[:3], runs) == "A, B, C"


def test_many_runs_share_the_line_of_a_command():
    runs = [run(name) for name in "ABCD"]
    for number, each in enumerate(runs):
        each.recorded.path = f"runs/{number}"
    few, many = Page("x"), Page("x")
    keep_commands(few, "Checks of", runs[:2], ["evaluate"], "--checks=quick")
    keep_commands(many, "Checks of", runs, ["evaluate"], "--checks=quick")
    assert few.missed == {
        "evaluate --workdir=runs/0 --checks=quick": "Checks of A.",
        "evaluate --workdir=runs/1 --checks=quick": "Checks of B.",
    }
    assert many.missed == {"evaluate --workdir=RUN --checks=quick": "Checks of 4 runs."}


def test_a_page_says_nothing_of_where_things_are_on_a_machine():
    flags = {"data_dir": "/home/me/photos", "init_from": "/home/me/runs/first", "eps": "8/255"}
    assert without_places(flags) == {"init_from": "first", "eps": "8/255"}
    runs = [(0, "/home/me/runs/new/a"), (0, "/home/me/runs/b")]
    assert distinct_names(["TLA", "TLA"], runs) == ["TLA, new/a", "TLA, b"]
    result = types.SimpleNamespace(training_seed=0)
    runs = [types.SimpleNamespace(path=path, flags={}, results=[result]) for _, path in runs]
    methods = methods_of(runs, ["TLA", "TLA"], lambda flags: set())
    assert [method.name for method in methods] == ["TLA, new/a", "TLA, b"]
