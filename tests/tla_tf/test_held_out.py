"""Early warnings from made-up histories; selection on a real, tiny run."""

import contextlib
import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags as absl_flags

from robust_tf.data import registry
from robust_tf.training import held_out
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
def selected(tmp_path_factory):
    """A run with --select=best whose held-out accuracies seem to be 90, 85 and 70 %.

    Returns its folder, what was attacked by which preset, and what was said.
    """
    folder, attacked, said = tmp_path_factory.mktemp("held_out") / "run", [], io.StringIO()
    whole = held_out.correct_predictions

    def falling(network, examples, preset, **options):
        attacked.append((examples, preset.name))
        n = len(whole(network, examples, preset, **options))
        return np.arange(n) < (0.90, 0.85, 0.70)[(len(attacked) - 1) // 2] * n

    command = ["train", *FLAGS, "--select=best", f"--workdir={folder}"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(held_out, "correct_predictions", falling)
        with pytest.warns(UserWarning, match="robust overfitting: .* 70.0 %, its best was 90.0 %"):
            assert train.main(command) == 0
    return folder, attacked, said.getvalue()


def test_the_best_network_by_held_out_images_is_kept(selected):
    folder, _, said = selected
    assert "last 70.00 %, best 90.00 % after step 4; the best network is kept" in said
    final = keras.models.load_model(folder / "final.keras").get_weights()
    for step, same in ((4, True), (12, False)):
        state = tf.train.load_checkpoint(str(folder / f"checkpoints/step-{step:08d}/state"))
        tensors = [state.get_tensor(name) for name in state.get_variable_to_shape_map()]
        found = [any(np.array_equal(weight, tensor) for tensor in tensors) for weight in final]
        assert all(found) == same


def test_the_held_out_images_are_attacked_by_both(selected):
    folder, attacked, _ = selected
    assert [name for _, name in attacked] == 3 * ["fgsm", "pgd10"]
    everything = registry.load("digits", "train")
    for examples, _ in attacked:
        np.testing.assert_array_equal(examples.images, everything.images[1337:])
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["held_out_pgd10"] for line in lines] == [0.90, 0.85, 0.70]


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
    training, kept = run.training_images()
    everything = registry.load("digits", "train")
    np.testing.assert_array_equal(training.images, everything.images[:1337])
    np.testing.assert_array_equal(kept.images, everything.images[1337:])


def test_best_needs_images_to_select_by(tmp_path, capsys):
    assert train.main(["train", "--select=best", f"--workdir={tmp_path}"]) == 2
    assert "--held_out" in capsys.readouterr().err
