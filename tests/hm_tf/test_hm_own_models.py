"""--model, --images and --input_range of hm_tf.evaluate, hm_tf.search and hm_tf.attack."""

import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from hm_tf import HardnessManipulation, attack, evaluate, search
from hm_tf.evaluation import retrieval_standard
from robust_tf import data
from robust_tf.data import class_disjoint
from robust_tf.results.result import read_results

N = 40
pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The same embedding network in several forms, and the test images as arrays."""
    folder = tmp_path_factory.mktemp("models")
    image = keras.Input((8, 8, 1))
    vector = keras.layers.Dense(
        6,
        name="features",
        kernel_initializer=keras.initializers.Orthogonal(seed=0),
        bias_initializer="ones",
    )
    long = keras.Model(image, vector(keras.layers.Flatten()(image)))
    unit = keras.Model(image, keras.layers.UnitNormalization()(long.output))
    long.save(folder / "long.keras")
    unit.save(folder / "unit.keras")
    unit.export(str(folder / "saved"), verbose=False)
    keras.Model(image, {"a": keras.layers.Dense(2)(long.output), "b": long.output}).save(
        folder / "several.keras"
    )
    HardnessManipulation(long, eps=0.1).save(folder / "defense.keras")
    raw = keras.Input((8, 8, 1))
    small = keras.Model(raw, long(keras.layers.Rescaling(1 / 255)(raw)))
    small.save(folder / "raw.keras")
    test = class_disjoint.load_side(data.open("digits"), "test")
    np.savez(folder / "digits.npz", x=test.images, y=test.labels)
    return folder


def command(*flags):
    flags = ["--eps=0.1", "--attacks=ES", "--mode=fixed", "--eval_steps=2", *flags]
    return evaluate.main(["evaluate", "--limit_queries=20", f"--limit_test={N}", *flags])


def test_a_place_that_takes_no_records_is_named_by_its_flag(place, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert command(f"--model={place}/unit.keras", f"--images={place}/digits.npz") == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("error: --model=") and "is no folder to write to" in line


def measured(folder):
    """(attack, metric, value) of the last evaluation; each begins with the same record."""
    found = read_results(folder / "results.jsonl")
    first = (found[0].attack, found[0].metric)
    found = found[max(n for n, r in enumerate(found) if (r.attack, r.metric) == first) :]
    return [(r.attack, r.metric, pytest.approx(r.value, abs=1e-4)) for r in found]


@pytest.fixture(scope="module")
def expected(place):
    assert command(f"--saved_model={place / 'saved'}", "--dataset=digits") == 0  # output_0
    found = read_results(place / "saved.evaluation" / "results.jsonl")
    return [(r.attack, r.metric, r.value) for r in found]


@pytest.mark.parametrize(
    "name, flags",
    [
        ("unit.keras", []),
        ("long.keras", []),
        ("defense.keras", []),
        ("several.keras", ["--output=features"]),
        ("raw.keras", ["--input_range=0,255"]),
    ],
)
def test_the_same_network_in_another_form_has_the_same_numbers(place, expected, name, flags):
    assert command(f"--model={place / name}", "--dataset=digits", *flags) == 0
    assert measured(place / f"{name}.evaluation") == expected


def test_arrays_are_all_tested_whatever_their_name(place, expected):
    """Of a data set of this name, half of the classes would be left out."""
    assert command(f"--model={place / 'unit.keras'}", f"--images={place / 'digits.npz'}") == 0
    assert measured(place / "unit.keras.evaluation") == expected


def test_raw_pixels_in_another_range_are_another_network(place, expected):
    """Nothing that is stored for one is taken for the other."""
    model = f"--model={place / 'raw.keras'}"
    assert command(model, "--dataset=digits", "--input_range=0,255", "--fresh") == 0
    assert command(model, "--dataset=digits") == 0
    assert measured(place / "raw.keras.evaluation") != expected
    found = read_results(place / "raw.keras.evaluation" / "results.jsonl")
    assert len({result.weights_hash for result in found}) == 2


def test_the_file_of_a_run_has_the_numbers_of_the_run(finished_smoke, tmp_path):
    run = shutil.copytree(finished_smoke, tmp_path / "run")
    flags = ["--attacks=ES", "--mode=fixed", f"--limit_test={N}", "--eps=0.1", "--eval_steps=2"]
    found = []
    for source in [f"--workdir={run}"], [f"--model={run / 'final.keras'}", "--dataset=digits"]:
        assert evaluate.main(["evaluate", *source, "--eval_step_size=0.05", *flags]) == 0
        folder = run if len(source) == 1 else run / "final.keras.evaluation"
        found.append(
            [(r.attack, r.metric, r.value) for r in read_results(folder / "results.jsonl")]
        )
    assert found[1] and found[0][-len(found[1]) :] == found[1]


def test_the_standard_attack_takes_any_model(place, monkeypatch):
    for name, value in {"STEPS": 2, "RESTARTS": 1, "QUERIES": 4}.items():
        monkeypatch.setattr(retrieval_standard, name, value)
    flags = ["--dataset=digits", "--eps=0.1", "--attacks=standard", "--limit_queries=4"]
    assert (
        evaluate.main(["evaluate", f"--model={place / 'long.keras'}", "--limit_test=20", *flags])
        == 0
    )
    found = read_results(place / "long.keras.evaluation" / "results.jsonl")[-1]
    assert found.attack_settings["strength"] == "standard"


def test_a_file_is_searched_and_attacked(place, tmp_path, capsys):
    test = data.open("digits").load("test", 8)
    for number, pixels in enumerate(test.images):
        (tmp_path / f"{number}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    query = [f"--query={tmp_path / '0.png'}", f"--gallery={tmp_path}", "--top=3"]
    for flags in ["--model={}/raw.keras", "--input_range=0,255"], ["--model={}/unit.keras"]:
        flags = [flag.format(place) for flag in flags]
        assert search.main(["search", *flags, *query, f"--picture={tmp_path / 'found.svg'}"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("0.png")]
    assert len(lines) == 6 and lines[:3] == lines[3:]
    flags = ["--attack=es", "--eps=0.1", "--steps=2", f"--output_dir={tmp_path / 'out'}"]
    assert attack.main(["attack", f"--model={place / 'long.keras'}", *query, *flags]) == 0
    assert f'"run": "{place}/long.keras"' in (tmp_path / "out/attack.json").read_text()


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--model=nowhere.keras", "--dataset=digits"], "nowhere.keras is not a file"),
        (["--model={}/digits.npz", "--dataset=digits"], "cannot be loaded"),
        (["--model={}/several.keras", "--dataset=digits"], "has the outputs a, b, but no"),
        (["--model={}/unit.keras", "--dataset=digits", "--output=last"], "has no layer 'last'"),
        (["--saved_model={}/unit.keras", "--dataset=digits"], "take the file as --model=FILE"),
        (["--model={}/unit.keras"], "needs --dataset or --images=X.npz"),
        (["--model={}/unit.keras", "--dataset=digits", "--images={}/digits.npz"], "give one"),
        (["--model={}/unit.keras", "--images=nowhere.npz"], "cannot be read"),
        (["--model={}/unit.keras", "--dataset=digits", "--input_range=1,0"], "must be above"),
        (["--model={}/unit.keras", "--dataset=digits", "--endpoint=x"], "--endpoint does nothing"),
        (
            ["--model={}/defense.keras", "--dataset=digits", "--input_range=0,255"],
            "a defense takes images in [0, 1]; leave --input_range out",
        ),
        (["--model={}/unit.keras", "--saved_model=x", "--dataset=digits"], "two places of a net"),
        (["--workdir=x", "--input_range=0,255"], "--input_range does nothing with --workdir"),
    ],
)
def test_mistakes(place, flags, said, capsys):
    assert command(*(part.format(place) for part in flags)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
