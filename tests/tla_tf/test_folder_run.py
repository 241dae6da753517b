"""The user's own images from training to export, like any other data set."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.evaluation.records import read_results
from tla_tf import evaluate, export, train

SHORT = (
    *("--batch_size=4", "--train_steps=2", "--checkpoint_every=1", "--attack_steps=1"),
    *("--image_size=16", "--boundaries=", "--learning_rates=0.01", "--eval_attacks=clean,fgsm"),
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
    assert run(images, folder, "--on_bad_image=skip") == 0
    return folder


def test_it_trains_and_evaluates(finished):
    results = read_results(finished / "results.jsonl")
    assert [(r.dataset, r.attack, r.n) for r in results] == [
        ("folder", "clean", 2),
        ("folder", "fgsm", 2),
    ]


def test_evaluation_and_export_follow_moved_images(finished, images, tmp_path):
    moved = shutil.copytree(images, tmp_path / "moved")
    command = [f"--workdir={finished}", f"--data_dir={moved}"]
    assert evaluate.main(["evaluate", *command, "--attacks=clean"]) == 0
    assert export.main(["export", *command, f"--export_dir={tmp_path}/export"]) == 0
    exported = tf.saved_model.load(tmp_path / "export" / "1")
    outputs = exported.signatures["serving_default"](image=tf.zeros([1, 16, 16, 3]))
    assert outputs["logits"].shape == (1, 2)


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
