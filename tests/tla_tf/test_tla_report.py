"""The report page of the smoke run: what is in it, and what it says is missing."""

import dataclasses
import json
import os
import re
import shutil
import types

import numpy as np
import pytest
from eagerly import eagerly
from matplotlib.figure import Figure

from robust_tf.reports.page import Page
from robust_tf.reports.panels import save_figure
from robust_tf.reports.recorded_run import RecordedRun, ReportedRun, recorded_run
from robust_tf.results import jsonl
from robust_tf.results.result import read_results
from tla_tf import evaluate, report
from tla_tf.analysis.accuracy_curves import OVER_EPS, OVER_STEPS, curve_figures
from tla_tf.options import TRAIN
from tla_tf.reporting.accuracies import accuracy_matrix
from tla_tf.reporting.claim import caveats, claim, worst_case, worst_cases
from tla_tf.reporting.report_sections import add_images

ATTACKS = "--attacks=clean,fgsm,pgd2"


@pytest.fixture(scope="module")
def evaluated(smoke_run, tmp_path_factory):
    """The smoke run, evaluated with images kept, a figure and a check."""
    folder = shutil.copytree(smoke_run, tmp_path_factory.mktemp("report") / "run")
    given = [f"--workdir={folder}", ATTACKS, "--limit_test=40", "--save_adversarial"]
    with eagerly():
        assert evaluate.main(["evaluate", *given]) == 0
    figure = Figure()
    figure.set_label("natural 3, predicted 3: 3, 3, 8")
    save_figure(figure, folder / "figures" / "figure4.png")
    weights_hash = read_results(folder / "results.jsonl")[0].weights_hash
    about = {"n": 40, "attack": "PGD(x)", "weights_hash": weights_hash}
    checks = [
        {"name": "restarts", "status": "amber", "figure": "old", "advice": "", **about},
        {"name": "restarts", "status": "red", "figure": "<b>", "advice": "do this", **about},
        {
            "name": "stale",
            "status": "red",
            "figure": "",
            "advice": "",
            **about,
            "weights_hash": "x",
        },
    ]
    (folder / "checks.jsonl").write_text("".join(json.dumps(check) + "\n" for check in checks))
    return folder


@pytest.fixture(scope="module")
def page(evaluated):
    output = evaluated.parent / "report.html"
    assert report.main(["report", f"--workdir={evaluated}", f"--output={output}"]) == 0
    return output.read_text()


def test_the_claim_has_its_threat_model(evaluated, page):
    last = read_results(evaluated / "results.jsonl")[-1]
    low, high = last.interval
    # So short a run is near chance, which the free checks doubt.
    assert '<p class="lead red">Doubtful, 1 check is red; clean accuracy 10.0 % is near' in page
    assert (
        f"TLA (digits_cnn, seed 0) classifies {100 * last.value:.2f} % of 40 digits test images "
        f"correctly (95 % interval {100 * low:.2f} to {100 * high:.2f}) in the worst case over "
        "clean, fgsm and pgd2: white box, untargeted, L-infinity radius 0.15 around images in "
        "[0, 1].</p>"
    ) in page
    assert "no worst case over AutoAttack (standard) on all 40 test images was measured" in page
    assert "worst case, linf eps=0.15: of 40 images, over clean, fgsm and pgd2." in page


def test_checks_are_the_latest_of_these_weights(page):
    assert '<p class="status red"><b>red</b> restarts. TLA: &lt;b&gt; → do this</p>' in page
    assert "stale" not in page and ": old" not in page


def test_red_checks_count_in_the_threat_model_of_the_claim(evaluated, tmp_path):
    stored = read_results(evaluated / "results.jsonl")
    results = [dataclasses.replace(result, warnings=()) for result in stored]
    ball = results[-1].threat_model
    other = {**ball, "norm": "l2"}
    about = {"advice": "", "n": 40, "attack": "x", "weights_hash": results[-1].weights_hash}
    checks = [
        {"name": "a", "status": "red", "figure": "", "threat_model": ball, **about},
        {"name": "b", "status": "red", "figure": "", "threat_model": ball, **about},
        {"name": "c", "status": "red", "figure": "", "threat_model": other, **about},
    ]
    for count, start in ((3, "Doubtful, 2 checks are red. TLA (digits"), (0, "TLA (digits")):
        text = "".join(json.dumps(check) + "\n" for check in checks[:count])
        (tmp_path / "checks.jsonl").write_text(text)
        assert claim("TLA", RecordedRun(tmp_path, results, {})).startswith(start)


def test_accuracy_over_eps_needs_three_radii(evaluated):
    stored = {r.attack: r for r in read_results(evaluated / "results.jsonl") if r.n == 40}
    base, clean = stored["pgd2"], stored["clean"]

    def at(eps, value):
        return dataclasses.replace(
            base, value=value, threat_model={**base.threat_model, "eps": eps}
        )

    results = [clean, at(0.2, 0.1), at(0.1, 0.4)]
    ((figure, _),) = curve_figures([("TLA", results)])
    (line,) = figure.axes[0].lines
    points = [[0, 100 * clean.value], [0.1, 40], [0.2, 10]]
    np.testing.assert_allclose(line.get_xydata(), points)
    assert f"under pgd2, linf, n 40: TLA {100 * clean.value:.4g} to 10" in figure.get_label()
    assert list(curve_figures([("TLA", results[:2])])) == []


def test_curves_of_the_analyses_are_drawn_and_do_not_decide_who_is_ahead(evaluated):
    """Their hardest attack is not the one that the training answers to."""
    stored = read_results(evaluated / "results.jsonl")
    base = next(r for r in stored if r.attack == "pgd2" and r.n == 40)
    over_eps, over_steps = [], []
    for k in range(3):
        threat = {**base.threat_model, "eps": 0.1 * k}
        changed = {"metric": OVER_EPS, "value": 0.5 - k / 5, "threat_model": threat}
        over_eps.append(dataclasses.replace(base, **changed))
        settings = {**base.attack_settings, "step": k}
        changed = {"metric": OVER_STEPS, "value": 0.6 - k / 10, "attack_settings": settings}
        over_steps.append(dataclasses.replace(base, **changed))
    run = RecordedRun("run", [base, *over_eps, *over_steps], {"flags": {"method": "tla"}})
    assert len(run.results) == 7  # every radius and step is a measurement of its own
    (eps, _), (steps, _) = curve_figures([("TLA", run.results)])
    assert eps.axes[0].lines[0].get_ydata()[-1] == pytest.approx(10)
    np.testing.assert_allclose(steps.axes[0].lines[0].get_xydata(), [[0, 60], [1, 50], [2, 40]])
    assert steps.axes[0].get_ylim()[0] <= 0  # the fall of one image is no cliff
    assert [row.title for row in accuracy_matrix([run], TRAIN).rows] == ["pgd2"]


def test_one_worst_case_for_each_threat_model(evaluated):
    (base,) = [r for r in read_results(evaluated / "results.jsonl") if r.attack == "worst case"]
    l2 = {**base.threat_model, "norm": "l2"}
    cases = [
        dataclasses.replace(
            base, n=n, value=value, threat_model=ball, attack_settings={"over": over}
        )
        for n, value, ball, over in (
            (40, 0.5, base.threat_model, ["clean", "fgsm"]),
            (40, 0.5, base.threat_model, ["clean", "fgsm", "pgd20"]),
            (20, 0.1, base.threat_model, ["clean", "standard"]),
            (40, 0.3, l2, ["clean", "pgd20"]),
            (40, 0.9, {}, ["clean"]),
        )
    ]
    assert set(map(id, worst_cases(RecordedRun("run", cases, {})))) == {id(cases[1]), id(cases[3])}


def test_a_claim_over_many_attacks_counts_them(evaluated):
    run = recorded_run(evaluated)
    of_pgd = next(result for result in run.results if result.attack == "pgd2")
    over = ["clean", "fgsm", "bim7", "pgd7", "standard", "square"]
    worst = dataclasses.replace(of_pgd, attack="worst case", attack_settings={"over": over})
    sentence = claim("TLA", RecordedRun("run", [worst], run.flags))
    assert "over clean images and 5 attacks, AutoAttack (standard) among them: white" in sentence


def test_the_page_begins_with_a_sentence_a_picture_and_a_matrix(page):
    lead = r'<p class="lead[^>]*>[^<]*</p>\s*</header>\s*<nav.*?</nav>\s*<main>\s*'
    picture = '<figure><div role="img" aria-label="clean: TLA'
    assert re.search(rf"{lead}<h2[^>]*>[^<]*</h2>\s*{picture}", page)
    assert page.index("<figure") < page.index("<table") < page.index("<details")


def test_pictures_and_settings(page):
    assert 'alt="natural 3, predicted 3: 3, 3, 8"' in page
    assert page.count('<img src="data:image/png;base64,') >= 2 + 3
    assert "TLA, pgd2: of the first 40 test images the first" in page
    assert "--lambda_triplet" not in page and ">lambda_<wbr>triplet</th>" in page
    assert "weights, SHA-256" in page and "://" not in page and ">workdir</th>" not in page


def test_a_run_without_images_figures_or_checks_names_the_commands(finished, tmp_path, capsys):
    output = tmp_path / "report.html"
    assert report.main(["report", f"--workdir={finished}", f"--output={output}"]) == 0
    text = output.read_text()
    assert "makes no claim: no worst case over attacks was measured; the lowest accuracy" in text
    said = capsys.readouterr().out
    for command in (
        *(
            "--attacks=pgd20 --save_adversarial",
            "--checks=full",
            f"tla_tf.analyze --workdir={finished}",
        ),
        *("--outputs=accuracy_over_eps", "--outputs=accuracy_over_steps"),
    ):
        assert command in said and command not in text
    assert "Not measured: accuracy over eps of TLA." in text


def test_images_of_a_killed_evaluation_or_a_damaged_disk_are_said(tmp_path):
    (tmp_path / "adversarial").mkdir()
    run = ReportedRun("TLA", types.SimpleNamespace(path=tmp_path))
    for name, said in (
        ("pgd.unfinished.npz", "No attacked images were kept of TLA"),
        ("pgd.npz", "pgd.npz cannot be read as adversarial images"),
    ):
        (tmp_path / "adversarial" / name).write_bytes(b"PK")
        page = Page("images")
        add_images(page, [run])
        assert said in page.html()


def test_runs_side_by_side(evaluated, finished, tmp_path):
    rewrite(finished, seed=1)
    records = finished / "results.jsonl"
    lines = jsonl.read(records)
    records.write_text(jsonl.text([{**line, "training_seed": 1} for line in lines]))
    output = tmp_path / "report.html"
    given = f"--workdir={evaluated},{finished}"
    assert report.main(["report", given, f"--output={output}"]) == 0
    assert "<h1>TLA (2 seeds) on digits</h1>" in output.read_text()


def test_the_paper_stands_beside_a_data_set_it_has(finished, tmp_path):
    rewrite(finished, dataset="cifar10")
    records = finished / "results.jsonl"
    lines = jsonl.read(records)
    records.write_text(jsonl.text([{**line, "dataset": "cifar10"} for line in lines]))
    config = finished / "config.json"
    names = json.loads(config.read_text())
    config.write_text(json.dumps({**names, "class_names": []}))
    output = tmp_path / "report.html"
    assert report.main(["report", f"--workdir={finished}", f"--output={output}"]) == 0
    text = output.read_text()
    assert text.count("(1) Not comparable: model digits_cnn, not wrn_32_10; train_steps 8") == 1
    assert (
        text.count(">no (1)</td>") == 1
        and ">86.21</td>" in text
        and "Where the field stands" in text
        and "73.71" in text
    )


def rewrite(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["flags"].update(changes)
    (folder / "digest.json").unlink(missing_ok=True)
    path.write_text(json.dumps(config))


def test_of_several_worst_cases_the_most_images_then_the_lowest(evaluated):
    run = RecordedRun(evaluated, read_results(evaluated / "results.jsonl"), {})
    (base,) = [result for result in run.results if result.attack == "worst case"]
    fields = vars(base)

    def worst(value, n, over):
        return type(base)(**{**fields, "value": value, "n": n, "attack_settings": {"over": over}})

    cases = [worst(0.4, 9, ["b"]), worst(0.5, 9, ["a"]), worst(0.1, 4, ["c"])]
    assert worst_case(RecordedRun("run", cases, {})).value == 0.4
    single = type(base)(**{**fields, "attack": "pgd20", "value": 0.2, "n": 10})
    run = RecordedRun("run", [*cases, single], {})
    assert ("red", "the worst case is of 9 images, pgd20 alone leaves 20.00 % of 10") in caveats(
        run
    )
    milder = type(base)(**{**fields, "attack": "pgd20", "value": 0.5, "n": 10})
    said = caveats(RecordedRun("run", [*cases, milder, milder], {}))
    assert said[1:] == [("amber", "the worst case is of 9 images, single attacks are of 10")]
    square = RecordedRun("run", [worst(0.4, 9, ["clean", "square"])], {})
    assert "black box" in claim("TLA", square)


@pytest.mark.parametrize("kind", ["nothing", "no run", "no records", "other data", "output"])
def test_bad_input_is_one_line(kind, finished, unevaluated, tmp_path, capsys):
    (tmp_path / "file").touch()
    given, expected = {
        "nothing": ([], "--workdir=RUN[,RUN2,...] is required"),
        "no run": ([f"--workdir={tmp_path}"], "holds no run"),
        "no records": (
            [f"--workdir={unevaluated}"],
            "has no results yet; python -m tla_tf.evaluate",
        ),
        "other data": ([f"--workdir={finished},{tmp_path}/other"], "different data"),
        "output": ([f"--workdir={finished}", f"--output={tmp_path}/file/x"], "cannot be written"),
    }[kind]
    if kind == "other data":
        rewrite(shutil.copytree(finished, tmp_path / "other"), dataset="mnist")
    assert report.main(["report", *given]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
    assert not os.path.exists("report.html")
