"""The bar of an attack: compilation, an estimate without the first batch, the table's number."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import progress_bar
from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB
from robust_tf.data.examples import Examples
from robust_tf.evaluation.attack_column import Column
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.threat_model import ThreatModel


def test_the_first_batch_does_not_count_in_the_estimate(capsys):
    with progress_bar.ProgressBar(100, "pgd", compiling=True, silent=False) as bar:
        assert "compiling" in str(bar)
        bar._time = lambda: bar.start_t + 60  # a minute of compiling
        bar.update(10)
        assert "compiling" not in str(bar)
        bar._time = lambda: bar.start_t + 64.5
        bar.update(45)
        assert bar.format_dict["rate"] == pytest.approx(10)
        assert bar.format_dict["elapsed"] == pytest.approx(64.5)
    assert "pgd" in capsys.readouterr().err


@pytest.mark.parametrize("notebook, lines", [(False, 2), (True, 9)])
def test_a_log_has_few_lines_and_a_notebook_all(notebook, lines, capsys, monkeypatch):
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    with progress_bar.ProgressBar(8, "pgd", compiling=False, silent=False) as bar:
        for _ in range(8):
            bar.start_t -= 1
            bar.last_print_t -= 1  # a second has gone by
            bar.name("fgsm")
            bar.update(1)
    said = capsys.readouterr().err
    assert said.count("pgd") >= lines and "8/8" in said
    assert notebook or said.count("pgd") == lines


def test_a_warning_in_a_log_has_a_line_of_its_own(capsys):
    with progress_bar.ProgressBar(8, "pgd", compiling=True, silent=False) as bar:
        print("warning: the first", file=sys.stderr)
        bar.update(4)
        print("warning: the second", file=sys.stderr)
        bar.update(4)
    lines = capsys.readouterr().err.splitlines()
    assert (
        [line for line in lines if "warning" in line]
        == lines[1:3]
        == [
            "warning: the first",
            "warning: the second",
        ]
    )
    assert all(line.startswith("pgd:") for line in (lines[0], lines[3])) and len(lines) == 4


def test_short_work_has_no_bar_and_long_work_soon_has_one(capsys):
    for seconds, lines in ((4, 0), (16, 2), (67, 3)):
        with progress_bar.ProgressBar(seconds, "reading", delay=5) as bar:
            for _ in range(seconds):
                bar.start_t -= 1
                bar.last_print_t -= 1  # a second has gone by
                bar.update(1)
            assert bar.miniters == 1  # of more its thread writes a line, too
        assert capsys.readouterr().err.count("reading") == lines


def test_a_silent_bar_shows_nothing(capsys):
    with progress_bar.ProgressBar(100, "pgd", compiling=True, silent=True) as bar:
        bar.update(10)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("eager")
def test_the_bar_of_an_ensemble_member_ends_in_the_number_of_the_table(capsys, monkeypatch):
    """It attacks what the members before it have left, and its number counts all images."""
    short = {"apgd-ce": lambda ball: APGD(ball, steps=3), "fab-t": lambda ball: FAB(ball, steps=3)}
    monkeypatch.setattr(auto_attack, "MEMBERS", short)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 4, 4, 1)).astype(np.uint8)
    labels = (images.mean(axis=(1, 2, 3)) > 127).astype(np.int64)
    labels[:15] = 1 - labels[:15]  # a quarter is wrong before any attack

    def logits_fn(x):
        mean = tf.reduce_mean(x, axis=[1, 2, 3]) - 0.5
        return 20 * tf.stack([-mean, mean], axis=1)

    evaluation = ClassifierEvaluation(logits_fn, Examples(images, labels), batch_size=20, say=None)
    ball = ThreatModel(0.01)
    members = [Column(name, presets.get(name, ball), "standard") for name in ("apgd-ce", "fab-t")]
    outcomes = {outcome.name: outcome for outcome in evaluation.run(members)}
    last = {}
    for line in capsys.readouterr().err.replace("\r", "\n").splitlines():
        if "correct=" in line:
            last[line.split(":")[0]] = line.rsplit("correct=", 1)[1].split(" ")[0]
    for name in ("apgd-ce", "fab-t"):
        assert last[name] == f"{100 * outcomes[name].correct.mean():.2f}"
