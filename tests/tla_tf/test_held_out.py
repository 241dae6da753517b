"""Early warnings from made-up histories; selection on a real, tiny run."""

import json

import keras
import numpy as np
import pytest
from absl import flags as absl_flags

from robust_tf.data import registry
from robust_tf.training.held_out import catastrophic_overfitting, robust_overfitting
from tla_tf import flags, train
from tla_tf.training_run import ClassifierTrainingRun

FLAGS = [
    *(
        "--flagfile=flags/tla/smoke.flags",
        "--method=at",
        "--eval_attacks=clean",
        "--train_steps=12",
    ),
    *("--held_out=100", "--limit_test=20"),
]


def test_catastrophic_overfitting_is_fgsm_up_and_pgd_down():
    assert catastrophic_overfitting([0.5, 0.6, 0.9], [0.4, 0.45, 0.1])
    assert not catastrophic_overfitting([0.5, 0.6, 0.5], [0.4, 0.45, 0.1])  # both fall
    assert not catastrophic_overfitting([0.5, 0.6, 0.9], [0.4, 0.45, 0.40])  # within 10 points
    assert not catastrophic_overfitting([0.5], [0.4])


def test_robust_overfitting_is_a_fall_since_the_best():
    assert robust_overfitting([0.3, 0.5, 0.39])
    assert not robust_overfitting([0.3, 0.5, 0.41])
    assert not robust_overfitting([])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("held_out") / "run"
    assert train.main(["train", *FLAGS, "--select=best", f"--workdir={workdir}"]) == 0
    return workdir


def test_the_best_network_by_held_out_images_is_kept(finished):
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    values = [line["held_out_pgd10"] for line in lines]
    assert len(values) == 3 and all(0 <= value <= 1 for value in values)
    final, best = (keras.models.load_model(finished / f"{n}.keras") for n in ("final", "best"))
    for a, b in zip(final.get_weights(), best.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_more_held_out_images_than_there_are(tmp_path, capsys):
    more = [*FLAGS, "--held_out=1437", f"--workdir={tmp_path / 'other'}"]
    assert train.main(["train", *more]) == 2
    assert "only 1,437 training images" in capsys.readouterr().err


def test_held_out_images_are_not_trained_on():
    options = absl_flags.FlagValues()
    flags.define_train(options)
    options(["train", "--held_out=100"])
    run = ClassifierTrainingRun(options)
    run.info = registry.get("digits")
    training, held_out = run.training_images()
    everything = registry.load("digits", "train")
    np.testing.assert_array_equal(training.images, everything.images[:1337])
    np.testing.assert_array_equal(held_out.images, everything.images[1337:])


def test_best_needs_images_to_select_by(tmp_path, capsys):
    assert train.main(["train", "--select=best", f"--workdir={tmp_path}"]) == 2
    assert "--held_out" in capsys.readouterr().err
