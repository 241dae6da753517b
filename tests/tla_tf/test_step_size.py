"""The step of the inner attack: that of the recipe only in the ball that it was made for."""

import types
from contextlib import nullcontext

import pytest

from robust_tf.errors import UserError
from tla_tf import options
from tla_tf.train import training_run


def parsed(*typed):
    return options.TRAIN.parse(list(typed))


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("", 2 / 255),
        ("--eps=8/255", 2 / 255),
        ("--eps=14/255", 2 / 255),
        ("--eps=25/255", 2.5 * 25 / 255 / 7),
        ("--norm=l2 --eps=0.5", 2.5 * 0.5 / 7),
        ("--norm=l2 --eps=0.5 --attack_step_size=0.1", 0.1),
        ("--attack_steps=20", 2 / 255),
        ("--attack_steps=3", 2.5 * 8 / 255 / 3),
        ("--attack_steps=3 --attack_step_size=2/255", 2 / 255),
    ],
)
def test_the_recipe_of_cifar10(typed, expected):
    attack = training_run(parsed("--dataset=cifar10", *typed.split())).settings.defense.inner_attack
    assert attack.step_size == pytest.approx(expected)


def test_steps_that_do_not_reach_the_radius_are_said():
    assert options.notes(parsed("--dataset=cifar10")) == ()
    short = ["--dataset=cifar10", "--attack_steps=3", "--attack_step_size=2/255"]
    (line,) = options.notes(parsed(*short))
    assert line.startswith("--attack_steps=3 of 2/255 do not reach --eps=8/255")
    assert options.notes(parsed("--dataset=cifar10", "--method=um")) == ()


def test_a_part_that_grows_beyond_the_end_of_the_training_is_said():
    grown = ["--train_steps=600", "--eps_warmup_steps=600"]
    assert options.notes(parsed(*grown, "--triplet_warmup_steps=600")) == ()
    (line,) = options.notes(parsed(*grown, "--triplet_warmup_steps=2400"))
    assert line.startswith("--triplet_warmup_steps=2400: ") and "at 25.0 % of" in line


def test_batch_norm_in_the_attack_is_of_one_replica():
    """Its statistics would be summed over replicas inside of a loop, which TensorFlow cannot."""
    for given, replicas, refused in (
        (["--attack_bn_mode=training"], 1, False),
        ([], 2, False),
        (["--attack_bn_mode=training"], 2, True),
    ):
        run = training_run(parsed("--method=at", *given))
        run.strategy = types.SimpleNamespace(num_replicas_in_sync=replicas)
        with pytest.raises(UserError, match="--strategy=one_device") if refused else nullcontext():
            run.check_method()
