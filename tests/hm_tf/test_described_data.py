"""The plan says which classes and images are used, not how the data set divides its images."""

import types

import pytest
import tensorflow as tf

from hm_tf.runs.training_run import MetricTrainingRun
from robust_tf import data
from robust_tf.data import folder
from robust_tf.errors import UserError


@pytest.mark.parametrize(
    "held_out, limit, expected",
    [
        (0, None, "train 901 images of 5 classes, test 896 images of 5 classes"),
        (100, 7, "images of 5 classes, test 7 images of"),
    ],
)
def test_digits(held_out, limit, expected):
    run = object.__new__(MetricTrainingRun)
    limits = {"limit_train": None, "limit_test": limit, "held_out": held_out}
    run.settings = types.SimpleNamespace(**limits)
    run.dataset = data.open("digits")
    run.info = run.dataset.info
    said = run.describe_data()
    assert said.startswith("digits: train ") and expected in said and "scikit-learn" in said
    assert ("held out 100 images" in said) == bool(held_out)


def test_classes_that_are_left_with_one_image_are_told_once(tmp_path, caplog):
    """One of the two images of class b cannot be decoded; class a has one. c and d are searched."""
    pixels = tf.zeros([4, 4, 3], tf.uint8)
    for name in ("a/1", "b/1", "b/2", "c/1", "c/2", "d/1"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"" if name == "b/2" else tf.io.encode_png(pixels).numpy())
    run = object.__new__(MetricTrainingRun)
    limits = {"limit_train": None, "limit_test": None, "held_out": 0}
    run.settings = types.SimpleNamespace(**limits)
    run.dataset = data.open("folder", tmp_path, on_bad_image="skip")
    run.info = run.dataset.info
    run.describe_data()
    run.images
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "itself" in line] == [
        "training classes with a single image, which pairs with itself: 2"
    ]


def test_test_images_that_cannot_be_searched_are_refused_before_others_are_read(
    tmp_path, monkeypatch
):
    for name in ("a/1", "a/2", "b/1", "b/2", "c/1", "d/1"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tf.io.encode_png(tf.zeros([4, 4, 3], tf.uint8)).numpy())
    read, plain = [], folder.read_file
    monkeypatch.setattr(folder, "read_file", lambda path: read.append(path.parent) or plain(path))
    run = object.__new__(MetricTrainingRun)
    limits = {"limit_train": None, "limit_test": None, "held_out": 0}
    run.settings = types.SimpleNamespace(**limits)
    run.dataset = data.open("folder", tmp_path)
    run.info = run.dataset.info
    with pytest.raises(UserError, match="of the 2 test images 0 have another one of their class"):
        run.images
    assert {path.name for path in read} == {"c", "d"}
