"""The plan says which classes and images are used, not how the data set divides its images."""

import types

import pytest

from hm_tf.training_run import MetricTrainingRun
from robust_tf.data import registry


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
    run.options = types.SimpleNamespace(dataset="digits", train_classes=None, **limits)
    run.reading = dict.fromkeys(registry.READING)
    run.info, *run._divided = run._read()
    said = run.describe_data()
    assert said.startswith("digits: train ") and expected in said and "scikit-learn" in said
    assert ("held out 100 images" in said) == bool(held_out)
