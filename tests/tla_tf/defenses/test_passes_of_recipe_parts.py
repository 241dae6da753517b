"""What parts of a recipe add to the cost of an update."""

import pytest

from robust_tf.training.passes import Passes
from tla_tf.defenses.passes import passes
from tla_tf.options import TRAIN
from tla_tf.train import training_run


@pytest.mark.parametrize(
    "given, expected",
    [
        ("--method=at", Passes(0, 7, 1)),
        ("--method=at --awp=0.01", Passes(0, 7, 2)),
        ("--method=at --inner_attack=fgsm_rs", Passes(0, 1, 1)),
        ("--method=at --inner_attack=n_fgsm", Passes(0, 1, 1)),
        ("--method=at --inner_attack=apgd", Passes(0, 8, 1)),
        ("--method=trades", Passes(1, 7, 2)),
        ("--method=mart", Passes(0, 7, 2)),
        ("--method=alp --attack_objective=full", Passes(1, 7, 2)),
        ("--method=tla --attack_objective=full", Passes(1, 7, 2)),
        ("--method=tla --attack_objective=full --pool=separate", Passes(4, 7, 3)),
    ],
)
def test_passes(given, expected):
    settings = training_run(TRAIN.parse(given.split())).settings
    assert passes(settings.defense) == expected
