"""python -m hm_tf.report: one page of what a run has stored, and what it has not named."""

import dataclasses
import html.parser
import json
import shutil
import types

import numpy as np
import pytest
from ranking_results import PRINTED, attacked, clean

from hm_tf import analyze, compare, report
from hm_tf.evaluation.embedding_checks import SCORE_STANDS
from hm_tf.image_attack.attack_files import save_image
from hm_tf.options import TRAIN
from hm_tf.reporting import report_sections as sections
from hm_tf.reporting.paper_comparison import reported_runs
from hm_tf.reporting.report_attacks import add_attacks
from hm_tf.reporting.score_matrix import score_matrix
from robust_tf.checks.sanity_checks import NOT_RUN
from robust_tf.evaluation.doubts import Doubt
from robust_tf.reports.page import Page
from robust_tf.reports.recorded_run import RecordedRun
from robust_tf.results import jsonl
from robust_tf.results.result import append_results, doubted, read_results


class Text(html.parser.HTMLParser):
    """The text of a page and the alternative texts of its images."""

    def __init__(self, page):
        super().__init__()
        self.text, self.alt = "", []
        self.feed(page)

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.alt.append(dict(attrs)["alt"])


@pytest.fixture
def run(finished_smoke, tmp_path):
    return shutil.copytree(finished_smoke, tmp_path / "run")


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are not drawn: the text of a page is at stake."""
    monkeypatch.setattr("robust_tf.reports.page.figure_uri", lambda source: "data:,")


def page_of(tmp_path, *flags):
    output = tmp_path / "page" / "report.html"
    assert report.main(["report", f"--output={output}", *flags]) == 0
    return Text(output.read_text(encoding="utf-8"))


def add_scores(run):
    last = read_results(run / "results.jsonl")[-1]
    same = {"dataset": "digits", "weights_hash": last.weights_hash, "n": 100}
    rows = attacked(**same) + attacked({**PRINTED, "LTM": 3.2}, strength="strong", **same)
    rows += attacked({**PRINTED, "GTT": 12.3}, **{**same, "n": 500})  # counts as the protocol's
    append_results(run / "results.jsonl", rows)


def test_the_standard_attack_stands_below_the_protocol():
    """Its records have members instead of steps."""
    ball = {"eps": 0.5, "norm": "l2", "lower": 0.0, "upper": 1.0}
    members = {"members": ["APGD", "Square"], "mode": "fixed", "strength": "standard"}
    standard = [dataclasses.replace(r, attack_settings=members) for r in attacked()[:-1]]
    records = [*clean(), *attacked(threat_model=ball), *standard]
    page = Page("Attacks")
    sections.add_ranking_attacks(page, reported_runs([RecordedRun("run", records, {})], TRAIN))
    text = Text(page.html()).text
    assert "eps 0.5 (l2), 32 steps (protocol); eps 8/255, APGD and Square (standard)" in text


def test_ten_columns_of_the_standard_attack_are_not_called_missing():
    standard = attacked(mode="fixed", strength="standard")
    records = [RecordedRun("run", [*clean(), *attacked({"ES:R": 60.0}), *standard], {})]
    page = Page("Attacks")
    sections.add_scores(page, reported_runs(records, TRAIN), score_matrix(records, TRAIN))
    assert "not all ten" not in page.html() and not page.missed


def test_a_metric_without_a_record_is_a_dash():
    """Reading leaves out the line that a damaged disk has changed."""
    records = [RecordedRun("run", clean()[1:], {})]
    page = Page("Retrieval")
    sections.add_scores(page, reported_runs(records, TRAIN), score_matrix(records, TRAIN))
    assert "HM[S,gLGA]&ICS--47.821.4-20.048.4--" in Text(page.html()).text


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_stands_on_the_page_and_its_command_in_the_terminal(run, tmp_path, capsys):
    run = run.rename(run.with_name("a run"))
    page = page_of(tmp_path, f"--workdir={run}")
    said = capsys.readouterr().out
    for command in (
        f"evaluate '--workdir={run}' --strength=strong",
        f"evaluate '--workdir={run}' --checks=quick",
        f"analyze '--workdir={run}'",
        f"attack '--workdir={run}' --query=IMG",
    ):
        assert f"python -m hm_tf.{command}" in said
    assert "python -m" not in page.text and "not all ten columns were measured" in page.text
    assert "no score, since not all ten" in page.text


def test_everything_that_is_stored_is_shown(run, tmp_path, capsys):
    add_scores(run)
    check = {"name": "a check", "status": "red", "figure": "1 of 2", "advice": "mend it"}
    more = {
        "n": 100,
        "attack": "ES",
        "weights_hash": read_results(run / "results.jsonl")[-1].weights_hash,
    }
    # Checked before the score was measured.
    early = {**check, "name": SCORE_STANDS, "status": "amber", "figure": NOT_RUN}
    lines = [json.dumps({**found, **more}) for found in (check, early)]
    (run / "checks.jsonl").write_text("\n".join(lines) + "\n")
    add_attack(run)
    figures = tmp_path / "figures"
    page = page_of(tmp_path, f"--workdir={run}", f"--figures_dir={figures}")
    for said in (
        "ERS 34.5 of 100 (compat, protocol, 500 queries)",
        "of the same 100 queries 33.5 by the protocol, 32.5 under stronger attacks (compat, s",
        "red a check. HM[S,gLGA]&ICS: 1 of 2 → mend it",
        "10033.532.5-1.0",
        "Aim reached: x.png is first of 8",
    ):
        assert said in page.text
    assert SCORE_STANDS not in page.text
    for name in ("12.9", "40.9", "0.806", "0.487", "not comparable: dataset digits"):
        assert name in page.text
    assert sum(alt.startswith("Figure ") for alt in page.alt) == 4
    assert any("before: first a.png, x.png in place 7" in alt for alt in page.alt)
    made = {path.name for path in figures.iterdir()}
    assert made == {f"figure{n}.svg" for n in (1, 4, 6, 7, 8)} | {"training.svg"}
    assert str(figures / "figure6.svg") in capsys.readouterr().out


def add_attack(run, name="one", **about_network):
    folder = run / "attacks" / name
    folder.mkdir(parents=True)
    for name in ("ranking.png", "adversarial.png", "difference.png"):
        save_image(folder / name, np.zeros((8, 8, 1)))
    state = {"first": ["a.png"], "place": 7}
    about = {"attack": "QA+", "mode": "fixed", "eps": "0.1", "steps": 3, "moved": "q.png"}
    about["outcome"] = "reached: x.png is first of 8, from place 7"
    numbers = {**about, "aim": "x.png", "gallery": 9, "states": {"before": state}}
    (folder / "attack.json").write_text(json.dumps({**numbers, **about_network}))


def test_an_attack_of_an_older_version_says_nothing_on_its_aim(tmp_path):
    add_attack(tmp_path, weights_hash="present")
    path = tmp_path / "attacks" / "one" / "attack.json"
    results = [types.SimpleNamespace(weights_hash="present")]
    recorded = types.SimpleNamespace(path=tmp_path, results=results)
    run = types.SimpleNamespace(name="HM", recorded=recorded)

    def shown():
        page = Page("attacks")
        add_attacks(page, [run])
        return Text(page.html()).text

    assert "8 bits per channel. Aim reached: x.png is first of 8, from place 7." in shown()
    numbers = json.loads(path.read_text())
    del numbers["outcome"]
    path.write_text(json.dumps({**numbers, "norm": "l2"}))
    assert "8 bits per channel." in shown() and "Aim" not in shown()
    assert f"eps {numbers['eps']} (l2), " in shown()


@pytest.mark.usefixtures("undrawn")
def test_only_what_the_present_network_did_is_shown(run, tmp_path):
    """A run that was trained on may keep what was made of its older weights."""
    assert analyze.main(["analyze", f"--workdir={run}", "--batches=2"]) == 0
    present = read_results(run / "results.jsonl")[-1].weights_hash
    add_attack(run, "old", weights_hash="of older weights")
    add_attack(run, "unknown")
    add_attack(run, "own", weights_hash=present)
    page = page_of(tmp_path, f"--workdir={run}")
    assert "Not measured of" not in page.text
    assert sum("before: first" in alt for alt in page.alt) == 2
    assert page.text.count("Of which weights of this run is not recorded.") == 1
    for name in ("unknown", "own"):
        shutil.rmtree(run / "attacks" / name)
    hardness = run / "sampler_hardness.jsonl"
    lines = [{**line, "weights_hash": "of older weights"} for line in jsonl.read(hardness)]
    hardness.write_text(jsonl.text(lines))
    page = page_of(tmp_path, f"--workdir={run}")
    assert "Not measured of" in page.text and "No single image was attacked" in page.text


@pytest.mark.usefixtures("undrawn")
def test_two_runs_stand_side_by_side(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    page = page_of(tmp_path, f"--workdir={run},{other}")
    assert "HM[S,gLGA]&ICS, run" in page.text and "HM[S,gLGA]&ICS, other" in page.text
    assert str(run.parent) not in page.text  # others read the page


def of_other_data(run):
    path = run / "config.json"
    (run / "digest.json").unlink(missing_ok=True)
    path.write_text(path.read_text().replace('"dataset": "digits"', '"dataset": "mnist"'))


def test_mistakes_are_one_line(run, tmp_path, capsys):
    (run / "digest.json").unlink()
    other = shutil.copytree(run, tmp_path / "other")
    of_other_data(other)
    classes = shutil.copytree(run, tmp_path / "classes")
    config = json.loads((run / "config.json").read_text())
    (classes / "config.json").write_text(json.dumps({**config, "class_names": ["a", "b"]}))
    divided = [shutil.copytree(run, tmp_path / name) for name in ("one", "two", "old")]
    pictures = [shutil.copytree(run, tmp_path / name) for name in ("first", "second")]
    for folder, checksum in zip(pictures, ("1234", "5678"), strict=True):
        images = {"train": 9, "test": 2, "checksum": checksum}
        (folder / "config.json").write_text(json.dumps({**config, "images": images}))
    split = {**config, "flags": {**config["flags"], "train_classes": "classes.txt"}}
    named = {"train_classes": ["1", "0"]}, {"train_classes": ["0", "2"]}, {}
    for folder, names in zip(divided, named, strict=True):
        (folder / "config.json").write_text(json.dumps({**split, **names}))
    bare = shutil.copytree(run, tmp_path / "bare")
    (bare / "results.jsonl").unlink()
    begun = shutil.copytree(bare, tmp_path / "begun")
    (begun / "final.keras").unlink()
    folder = tmp_path / "folder"
    folder.mkdir()
    for flags, said in (
        ([], "--workdir=RUN[,RUN2,...] is required"),
        ([f"--workdir={tmp_path / 'nowhere'}"], "holds no run"),
        ([f"--workdir={bare}"], f"has no results yet; python -m hm_tf.evaluate --workdir={bare}"),
        ([f"--workdir={begun}"], "begun is not finished; python -m hm_tf.train --flagfile="),
        ([f"--workdir={run},{run}"], "names a run twice"),
        ([f"--workdir={run},{other}"], f"{other} of mnist"),
        ([f"--workdir={run},{classes}"], f"{classes} of 2 classes, a, b ..."),
        (
            [f"--workdir={pictures[0]},{pictures[1]}"],
            f"{pictures[1]} of train 9, test 2 files, checksum 5678",
        ),
        ([f"--workdir={divided[0]},{divided[1]}"], f"{divided[1]} of training classes 0, 2 ..."),
        ([f"--workdir={run},{divided[2]}"], f"{divided[2]} of training classes classes.txt ..."),
        ([f"--workdir={run}", f"--output={folder}"], "cannot be written"),
    ):
        assert report.main(["report", f"--output={tmp_path / 'r.html'}", *flags]) == 2
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
        assert said in line
    assert not (tmp_path / "r.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_doubts_mark_the_numbers_and_the_headline(run, tmp_path, capsys):
    doubts = [Doubt("zero gradients", "9 of 100 images have a zero gradient")]
    path = run / "results.jsonl"
    found = read_results(path)
    path.unlink()
    append_results(path, doubted(found, doubts))
    page = page_of(tmp_path, f"--workdir={run}").text
    assert "Doubtful, 9 of 100 images have a zero gradient. " in page
    assert page.count(f"{found[0].method} !") > 1
    capsys.readouterr()
    assert compare.main(["compare", f"--workdir={run}"]) == 0
    assert "9 of 100 images have a zero gradient (R@1" in capsys.readouterr().out
