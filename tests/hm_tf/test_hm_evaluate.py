"""python -m hm_tf.evaluate and hm_tf.export on the finished smoke run, and their mistakes."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from hm_tf import evaluate, export
from hm_tf.finished_run import FinishedRun
from robust_tf.evaluation.records import read_results


@pytest.fixture
def run(finished_smoke, tmp_path):
    return shutil.copytree(finished_smoke, tmp_path / "run")


def test_the_numbers_of_the_training_again(run, capsys):
    before = read_results(run / "results.jsonl")
    flags = ["--limit_test=100", "--batch_size=128"]
    assert evaluate.main(["evaluate", f"--workdir={run}", *flags]) == 0
    after = read_results(run / "results.jsonl")
    assert after[: len(before)] == before
    assert after[len(before) :] == before
    assert "R@1" in capsys.readouterr().out


def test_other_images_steps_and_precision(run):
    flags = ["--limit_test=40", "--eval_steps=3", "--precision=mixed_bfloat16", "--batch_size=16"]
    before = len(read_results(run / "results.jsonl"))
    assert evaluate.main(["evaluate", f"--workdir={run}", *flags]) == 0
    new = read_results(run / "results.jsonl")[before:]
    assert len(new) == before
    assert {(r.n, r.precision, r.method) for r in new} == {(40, "mixed_bfloat16", "HM[S,gLGA]&ICS")}
    assert [r.attack_settings.get("steps") for r in new if r.attack == "ES"] == [3]


def test_export(run, tmp_path, capsys):
    folder = tmp_path / "export"
    assert export.main(["export", f"--workdir={run}", f"--export_dir={folder}"]) == 0
    assert "largest difference" in capsys.readouterr().out
    finished = FinishedRun(run)
    images = finished.test_images(5).images.astype(np.float32) / 255
    expected = finished.network()(images)["embedding"]
    serve = tf.saved_model.load(str(folder / "1")).signatures["serving_default"]
    found = serve(image=tf.constant(images))
    assert found.keys() == {"embedding"}
    np.testing.assert_allclose(found["embedding"], expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)


def unfinished(run):
    (run / "final.keras").unlink()


def torn(run):
    (run / "final.keras").write_bytes(b"torn")


def of_the_other_paper(run):
    config = json.loads((run / "config.json").read_text())
    del config["flags"]["defense"]
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "harm, flags, code, text",
    [
        (None, ["--workdir="], 2, "--workdir"),
        (None, ["--workdir=/nowhere"], 2, "holds no run"),
        (unfinished, [], 2, "python -m hm_tf.train --flagfile="),
        (torn, [], 1, "cannot be read"),
        (of_the_other_paper, [], 2, "another command"),
        (None, ["--data_dir=/nowhere"], 2, "/nowhere"),
        (None, ["--batch_size=0"], 2, "batch_size"),
    ],
)
def test_mistakes_end_in_one_line(harm, flags, code, text, run, capsys):
    if harm:
        harm(run)
    assert evaluate.main(["evaluate", f"--workdir={run}", *flags]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and text in lines[0]


@pytest.mark.parametrize("flags", [["--export_dir=x"], ["--workdir=x"]])
def test_export_needs_both_folders(flags, capsys):
    assert export.main(["export", *flags]) == 2
    assert "is required" in capsys.readouterr().err
