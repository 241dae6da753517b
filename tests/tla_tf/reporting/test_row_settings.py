"""Every row of the TLA paper's tables trains with the settings of the paper and its code."""

import pytest

from tla_tf.options import TRAIN
from tla_tf.reporting import published_rows

PAPER = ("table1", "table2", "table3", "figure5")
ROWS = [row for row in published_rows.rows(TRAIN) if row.table in PAPER]
# From the paper, sections 4 and 5, and the configurations of its code; 100,000 updates are our own.
TABLE = """
    model             lenet_large  wrn_32_10        tiny_res50
    batch_size        50           50               20
    train_steps       100000       80000            80000
    optimizer         adam         momentum         momentum
    learning_rates    0.0001       0.1,0.01,0.001   0.1,0.01,0.001
    boundaries        -            50000,60000      50000,60000
    weight_decay      0.0002       0.0002           0.0002
    label_smoothing   0.0          0.0              0.0
    reduction         mean         mean             mean
    norm              linf         linf             linf
    eps               0.3          8/255            8/255
    attack_steps      40           7                7
    attack_step_size  0.01         2/255            2/255
    attack_bn_mode    inference    inference        inference
    lambda_triplet    0.5          2.0              0.5
    margin            0.05         0.03             0.02
    lambda_norm       0.0001       0.001            0.001
    norm_form         l2           l2               l2
    pool              separate     separate         separate
    pool_mul          1            10               1
    positive          other        other            other
    match_l2          0.0          0.0              0.0
    bn_variance       biased       biased           biased
    schedule          None         None             None
    ema               None         None             None
    awp               0.0          0.0              0.0
    cutmix            0.0          0.0              0.0
    inner_attack      pgd          pgd              pgd
    eps_warmup_steps  0            0                0
    attack_objective  ce           ce               ce
    triplet_warmup_steps 0         0                0
    limit_train       None         None             None
"""
NAMES, *COLUMNS = zip(*map(str.split, TABLE.strip().splitlines()), strict=True)
OF_DATASET = dict(zip(("mnist", "cifar10", "tiny_imagenet"), COLUMNS, strict=True))
NEGATIVE = {"tla": "nearest", "tla_sa": "nearest", "tla_rn": "random"}
ANCHOR = {"tla": "adv", "tla_sa": "clean", "tla_rn": "adv"}
# The caption of figure 5: epsilon 0.03 and 40 steps. A step of a fifteenth is our own.
FIGURE5 = {"eps": "0.03", "attack_step_size": "0.002"}


def text(value):
    return ",".join(value) or "-" if isinstance(value, list) else str(value)


def expected(row):
    wanted = dict(zip(NAMES, OF_DATASET[row.dataset], strict=True))
    changed = row.table == "figure5" and row.dataset == "mnist" and row.method != "um"
    return {**wanted, **(FIGURE5 if changed else {})}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_settings(row):
    options = TRAIN.parse(list(row.flags))
    read = [name for name in NAMES if name not in TRAIN.unread(options.flags)]
    wanted = expected(row)
    assert {name: text(options.flags[name]) for name in read} == {n: wanted[n] for n in read}
    assert len(read) == {"um": 17, "at": 22, "alp": 23}.get(row.method, 31)
    assert (options.dataset, options.method) == (row.dataset, row.method)
    if row.method in NEGATIVE:
        chosen = NEGATIVE[row.method], ANCHOR[row.method]
        assert (options.negative, options.anchor) == chosen
    if row.method == "alp":
        paired = options.alp_weight, options.alp_clean_weight, options.alp_layer, options.alp_reduce
        assert paired == (0.5, 0.5, "logits", "sum")
