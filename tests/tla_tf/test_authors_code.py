"""The files authors_code_*.flags set the last value of every setting of the TLA paper's code."""

import keras
import pytest

from robust_tf.models.unbiased_batch_norm import UnbiasedBatchNorm
from tla_tf import options, train
from tla_tf.runs.finished_run import FinishedRun

# From the three configurations in the released code of Mao et al. 2019.
TABLE = """
    dataset            mnist        cifar10         tiny_imagenet
    model              lenet_large  wrn_32_10       tiny_res50
    batch_size         50           50              20
    train_steps        600000       80000           80000
    optimizer          adam         momentum        momentum
    learning_rates     0.0001       0.1,0.01,0.001  0.0001,0.00001
    boundaries         -            1000,5000       60000
    weight_decay       0.0002       0.0002          0.0002
    label_smoothing    0.1          0.0             0.0
    reduction          mean         mean            mean
    eps                0.3          8/255           8/255
    attack_steps       40           7               7
    attack_step_size   0.01         2/255           2/255
    positive           other        both            both
    own_noise          0.3          8/255           8/255
    own_margin_mul     1.0          1.0             30.0
    match_l2           0.0          0.0             0.5
    lambda_triplet     0.5          2.0             0.5
    margin             0.05         0.03            0.02
    lambda_norm        0.0001       0.001           0.001
    norm_form          mean_sq      mean_sq         mean_sq
    pool               separate     separate        separate
    pool_mul           1            10              1
    negative           None         None            masked
    neg_keep           0.5          0.5             0.5
    neg_similarity     signed       signed          signed
    neg_mask           zero         zero            zero
    rn_class_check     False        False           False
    bn_variance        unbiased     unbiased        unbiased
    select             last         last            last
"""
NAMES, *COLUMNS = zip(*map(str.split, TABLE.strip().splitlines()), strict=True)


def resolved(dataset, *typed):
    return options.TRAIN.resolve([*typed, f"--flagfile=flags/tla/authors_code_{dataset}.flags"])


def text(value):
    return ",".join(value) or "-" if isinstance(value, list) else str(value)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column[0])
def test_values(column):
    found = resolved(column[0])
    assert [text(found[name]) for name in NAMES] == list(column)


def test_explicit_flags_win():
    found = resolved("cifar10", "--norm_form=l2", "--method=tla_sa")
    assert (found["norm_form"], found["method"], found["neg_mask"]) == ("l2", "tla_sa", "zero")


@pytest.mark.usefixtures("eager")
def test_a_run_with_the_variance_of_tensorflow_1(tmp_path):
    small = ["--limit_train=64", "--limit_test=20", "--train_steps=2", "--checkpoint_every=1"]
    given = [f"--workdir={tmp_path}", "--method=um", "--bn_variance=unbiased", *small]
    given += ["--eval_attacks=clean"]
    assert train.main(["train", *given]) == 0
    layers = FinishedRun(tmp_path).network().layers
    assert sum(isinstance(layer, UnbiasedBatchNorm) for layer in layers) == 3
    assert not any(type(layer) is keras.layers.BatchNormalization for layer in layers)
