"""python -m hm_tf.report: one page of what a run has stored, and what it has not named."""

import html.parser
import json
import shutil

import numpy as np
import pytest
from ranking_results import PRINTED, attacked

from hm_tf import report
from hm_tf.evaluation.embedding_checks import SCORE_STANDS
from hm_tf.own_gallery.attack_files import save_image
from robust_tf.evaluation.records import append_results, read_results
from robust_tf.evaluation.sanity_checks import NOT_RUN


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


def test_a_run_without_scores_says_what_makes_them(run, tmp_path):
    page = page_of(tmp_path, f"--workdir={run}")
    assert f"python -m hm_tf.evaluate --workdir={run} --strength=strong" in page.text
    assert f"python -m hm_tf.evaluate --workdir={run} --checks=quick" in page.text
    assert f"python -m hm_tf.analyze --workdir={run}" in page.text
    assert f"python -m hm_tf.attack --workdir={run}" in page.text
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
        "ERS 34.5 of 100 (compat, protocol), 32.5 at the lowest (compat, strong)",
        "red a check: 1 of 2 → mend it",
        "10033.532.5-1.0",
        "Aim reached: x.png is first of 8",
    ):
        assert said in page.text
    assert SCORE_STANDS not in page.text
    for name in ("12.9", "40.9", "0.806", "0.487", "not comparable: dataset digits"):
        assert name in page.text
    assert sum(alt.startswith("Figure ") for alt in page.alt) == 3
    assert any("before: first a.png, x.png in place 7" in alt for alt in page.alt)
    made = {path.name for path in figures.iterdir()}
    assert made == {"figure6.png", "figure7.png", "figure8.png", "training.png"}
    assert str(figures / "figure6.png") in capsys.readouterr().out


def add_attack(run):
    folder = run / "attacks" / "one"
    folder.mkdir(parents=True)
    for name in ("ranking.png", "adversarial.png", "difference.png"):
        save_image(folder / name, np.zeros((8, 8, 1)))
    state = {"first": ["a.png"], "place": 7}
    about = {"attack": "QA+", "mode": "fixed", "eps": "0.1", "steps": 3, "moved": "q.png"}
    about["outcome"] = "reached: x.png is first of 8, from place 7"
    numbers = {**about, "aim": "x.png", "gallery": 9, "states": {"before": state}}
    (folder / "attack.json").write_text(json.dumps(numbers))


def test_two_runs_stand_side_by_side(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    page = page_of(tmp_path, f"--workdir={run},{other}")
    assert f"HM[S,gLGA]&ICS, {run}" in page.text and f"HM[S,gLGA]&ICS, {other}" in page.text


def of_other_data(run):
    path = run / "results.jsonl"
    path.write_text(path.read_text().replace('"dataset": "digits"', '"dataset": "mnist"'))


def test_mistakes_are_one_line(run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    of_other_data(other)
    classes = shutil.copytree(run, tmp_path / "classes")
    config = json.loads((run / "config.json").read_text())
    (classes / "config.json").write_text(json.dumps({**config, "class_names": ["a", "b"]}))
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
        ([f"--workdir={run},{classes}"], f"{classes} know other classes"),
        ([f"--workdir={run}", f"--output={folder}"], "cannot be written"),
    ):
        assert report.main(["report", f"--output={tmp_path / 'r.html'}", *flags]) == 2
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
        assert said in line
    assert not (tmp_path / "r.html").exists()
