"""Every example runs, and what it prints is so; on fewer images and epochs than by default."""

import pathlib
import re
import runpy

import keras
import numpy as np
import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
LABELS = "classes", "labels"


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Returns the function (name, *arguments) -> what the example prints."""

    def started(name, *arguments):
        example = runpy.run_path(str(EXAMPLES / f"{name}.py"))
        monkeypatch.chdir(tmp_path)
        keras.utils.set_random_seed(0)  # the examples train from any weights, few end badly
        example["main"](list(map(str, arguments)))
        return capsys.readouterr().out

    return started


def percent(text, name):
    return float(re.search(rf"{name}:? ([\d.]+)", text)[1])


def test_every_example_is_short_and_tested():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    source = pathlib.Path(__file__).read_text()
    assert names == set(re.findall(r'run\("(\w+)"', source)) and len(names) == 4
    for name in names:
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 40, name


def test_train_a_defense_and_serve_it(run):
    printed = run("train_a_defense", "--epochs=3")
    assert percent(printed, "clean") > percent(printed, "pgd20") > 10
    served = run("serve_and_query", "robust.keras", "served", "--images=50")
    assert percent(served, "clean") > percent(served, "pgd20") > 10
    classes, labels = (re.search(rf"{name}: \[([\d ]+)\]", served)[1] for name in LABELS)
    assert sum(a == b for a, b in zip(classes.split(), labels.split(), strict=True)) >= 3


def test_attack_your_model(run):
    printed = run("attack_your_model", "--epochs=3", "--images=20", "--attack=pgd10")
    assert percent(printed, "largest change of a pixel") == pytest.approx(0.15, abs=1e-3)
    assert percent(printed, "clean") > percent(printed, "pgd10")


def test_robust_retrieval(run, tmp_path):
    noise = np.random.default_rng(0)
    for name, brightness in ("dark", 40), ("light", 200):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            pixels = brightness + noise.integers(-30, 30, (16, 16, 3))
            keras.utils.save_img(tmp_path / "photos" / name / f"{number}.png", pixels, scale=False)
    printed = run("robust_retrieval", tmp_path / "photos", "--epochs=1", "--size=16")
    assert re.search(r"nearest to \S+dark.0.png: .*dark.*dark.*dark", printed)
    assert "R@1" in printed and "ES:R" in printed
