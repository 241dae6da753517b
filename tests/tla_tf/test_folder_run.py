"""The user's own images from training to export, like any other data set."""

import json
import shutil

import forked
import numpy as np
import pytest
import tensorflow as tf
from eagerly import eagerly

from robust_tf import data
from robust_tf.errors import UserError
from robust_tf.results.result import read_results
from tla_tf import evaluate, export, report, train
from tla_tf.reporting.comparable_runs import comparable_runs
from tla_tf.runs.finished_run import FinishedRun

SHORT = (
    *("--batch_size=4", "--train_steps=2", "--checkpoint_every=1"),
    *("--image_size=16", "--boundaries=", "--learning_rates=0.01", "--eval_attacks=clean,fgsm"),
    *("--model=digits_cnn", "--method=um"),
)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, [9, 12, 3]).astype(np.uint8)
    path.write_bytes(tf.io.encode_jpeg(pixels).numpy())


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two classes of five images, and one file that is none."""
    root = tmp_path_factory.mktemp("images")
    for i in range(10):
        write(root / "ab"[i % 2] / f"{i}.jpg")
    (root / "a" / "bad.png").write_text("text")
    return root


def run(images, folder, *flags):
    command = ["train", "--dataset=folder", f"--data_dir={images}", f"--workdir={folder}"]
    return train.main([*command, *SHORT, *flags])


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    with eagerly():
        assert run(images, folder, "--on_bad_image=skip") == 0
    return folder


@pytest.fixture(scope="module")
def moved(images, tmp_path_factory):
    """The same images in another folder."""
    return shutil.copytree(images, tmp_path_factory.mktemp("elsewhere") / "moved")


@pytest.fixture(scope="module")
def exported(finished, moved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    command = [f"--workdir={finished}", f"--data_dir={moved}", f"--export_dir={folder}"]
    with eagerly(), forked.reloads():
        assert export.main(["export", *command]) == 0
    return folder


def test_it_trains_and_evaluates(finished):
    results = read_results(finished / "results.jsonl")
    assert [(r.dataset, r.attack, r.n) for r in results] == [
        ("folder", "clean", 2),
        ("folder", "fgsm", 2),
    ]


def test_evaluation_and_export_follow_moved_images(finished, moved, exported):
    command = [f"--workdir={finished}", f"--data_dir={moved}", "--attacks=clean"]
    assert evaluate.main(["evaluate", *command]) == 0
    loaded = tf.saved_model.load(exported / "1")
    outputs = loaded.signatures["serving_default"](image=tf.zeros([1, 16, 16, 3]))
    assert outputs["logits"].shape == (1, 2)


def test_an_export_of_any_size_is_evaluated_without_more_flags(
    finished, images, exported, tmp_path, caplog
):
    def measured(data_dir):
        flags = f"--saved_model={exported}", "--dataset=folder", f"--data_dir={data_dir}"
        assert evaluate.main(["evaluate", *flags, "--eps=0.1", "--attacks=clean", "--fresh"]) == 0
        records = read_results(exported / "1.evaluation" / "results.jsonl")
        return [r for r in records if r.attack == "clean"][-1]

    found, clean = measured(images), read_results(finished / "results.jsonl")[0]
    assert (found.n, found.correct) == (clean.n, clean.correct)
    spoilt = shutil.copytree(images, tmp_path / "spoilt")
    bad = data.open("folder", spoilt).info.files["test"][0][0]
    bad.write_text("text")
    assert measured(spoilt).n == clean.n - 1
    assert f"1 image file cannot be decoded: {bad}: left out" in caplog.text


def test_other_classes_are_refused(finished, images, tmp_path, capsys):
    other = shutil.copytree(images, tmp_path / "other")
    (other / "b").rename(other / "c")
    command = ["evaluate", f"--workdir={finished}", f"--data_dir={other}"]
    assert evaluate.main(command) == 2
    assert run(other, finished, "--on_bad_image=skip") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("classes a, b ..." in line for line in lines)


def test_image_size_and_on_bad_image_make_the_identity(finished, images, capsys):
    assert run(images, finished, "--on_bad_image=skip", "--image_size=32") == 2
    assert "--image_size was 16, is 32" in capsys.readouterr().err
    assert run(images, finished) == 2
    assert "--on_bad_image was skip, is fail" in capsys.readouterr().err
    assert run(images, finished, "--on_bad_image=skip", f"--init_from={finished}") == 2
    assert f"--init_from was not given, is {finished}" in capsys.readouterr().err


def test_bad_images_fail_before_anything_is_written(images, tmp_path, capsys):
    assert run(images, tmp_path / "run") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "bad.png" in lines[0] and "--on_bad_image=skip" in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.fixture
def others(images, tmp_path):
    """Other images of the same classes, as many in each split."""
    folder = shutil.copytree(images, tmp_path / "others")
    (folder / "a" / "0.jpg").write_bytes((folder / "a" / "0.jpg").read_bytes() + b"more")
    return folder


def edited(run, to, **changes):
    """A copy of a run folder with another config.json."""
    path = shutil.copytree(run, to) / "config.json"
    config = json.loads(path.read_text())
    config["flags"] |= changes.pop("flags", {})
    path.write_text(json.dumps(config | changes))
    (to / "digest.json").unlink(missing_ok=True)  # it would say that the file has changed
    return to


def test_a_run_goes_on_with_its_own_images_only(finished, images, others, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "run")
    assert run(others, folder, "--on_bad_image=skip", "--train_steps=3") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.count("train 9, test 2 files, checksum ") == 2 and "other images" in line
    moved = shutil.copytree(images, tmp_path / "moved")
    assert run(moved, folder, "--on_bad_image=skip") == 0
    assert "finished before" in capsys.readouterr().out
    older = edited(finished, tmp_path / "older", images=None)
    assert run(others, older, "--on_bad_image=skip") == 0


def test_a_report_needs_no_images(finished, tmp_path):
    """It is made of records, on any machine; only attacked images that were kept need them."""
    folder = shutil.copytree(finished, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["flags"]["data_dir"] = "/nowhere"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "digest.json").unlink(missing_ok=True)
    assert report.main(["report", f"--workdir={folder}", f"--output={tmp_path}/r.html"]) == 0


def test_an_evaluation_on_other_images_is_warned_of(finished, images, others, recwarn):
    FinishedRun(finished, str(images))
    assert not recwarn
    with pytest.warns(UserWarning, match="none of the test images was trained on"):
        FinishedRun(finished, str(others))


def test_runs_of_other_images_do_not_stand_side_by_side(finished, images, others, tmp_path):
    same = edited(finished, tmp_path / "same")
    assert len(comparable_runs([str(finished), str(same)])) == 2
    there = {"data_dir": str(others)}
    other = edited(finished, tmp_path / "other", flags=there, images={"train": 9, "checksum": "1"})
    older = edited(finished, tmp_path / "older", flags=there, images=None)
    bigger = edited(finished, tmp_path / "bigger", flags={"image_size": 32})
    for folder, said in (
        (other, "train 9 files, checksum 1"),
        (older, "train 9, test 2 files, checksum"),
        (bigger, "of images of 16 pixels, .* of images of 32 pixels"),
    ):
        with pytest.raises(UserError, match=f"runs of different data .*{said}"):
            comparable_runs([str(finished), str(folder)])
    with pytest.raises(UserError, match="runs of different data"):
        comparable_runs([str(finished), str(other)], str(images))
