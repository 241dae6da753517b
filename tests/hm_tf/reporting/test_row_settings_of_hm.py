"""Every row of the HM paper's tables trains with the settings of the paper and its code."""

import re

import pytest

from hm_tf.options import TRAIN
from hm_tf.reporting import published_rows

ROWS = published_rows.rows(TRAIN)
# The same for all rows, from the paper and its code.
COMMON = """
    model resnet18          init_weights imagenet   batch_size 224     shard_size 112
    learning_rates 1e-5     boundaries -            weight_decay 0.0004
    margin 0.2              eps 8/255               pgd_step_size 1/255
    eval_steps 32           eval_step_size 3/255    sampling compat    precision float32
    limit_train None        held_out 0              optimizer adam     schedule None
    ema None                awp 0.0                 inner_attack pgd   eps_warmup_steps 0
    free None
"""
DATASETS = {"CUB": ("cub200", "3975", "0.5"), "CARS": ("cars196", "5400", "0.5")} | {
    "SOP": ("sop", "39900", "0.05")
}
SAMPLERS = {"R": "random", "M": "semihard", "S": "softhard", "D": "distance", "H": "hardest"}
GRADUAL = {"gLGA": "lga", "g2": "g2", "g1/2": "ghalf", "gB(M)": "gb:semihard"}
DEFENSES = {"N/A": "none", "EST": "est", "ACT": "act", "HM": "hm"}


def expected(row):
    """The settings that the title of a row says, read without the package's own code."""
    title, *settings = row.defense.split()
    kind, source, destination, ics = re.fullmatch(
        r"([\w/]+)\[(\w)(?:,([^\]]+))?\](&ICS)?", title
    ).groups()
    dataset, steps, weight = DATASETS[row.dataset]
    words = COMMON.split()
    wanted = dict(zip(words[::2], words[1::2], strict=True))
    wanted |= {"dataset": dataset, "train_steps": steps, "defense": DEFENSES[kind]}
    wanted |= {"source": SAMPLERS[source], "bn": "live" if kind == "EST" else "frozen"}
    if kind == "HM":
        target = {**SAMPLERS, **GRADUAL}.get(destination, destination)
        wanted |= {"destination": target, "ics": weight if ics else "0.0", "ics_margin": "0.0"}
        wanted |= {"loss_bound": "None"}
    if row.eta is not None:
        wanted["pgd_steps"] = str(row.eta)
    changed = (setting.split("=") for setting in settings)
    return wanted | {name: str(float(value)) for name, value in changed}


def text(value):
    return ",".join(value) or "-" if isinstance(value, list) else str(value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_settings(row):
    flags, wanted = TRAIN.parse(list(row.flags)).flags, expected(row)
    read = {name for name in wanted if name not in TRAIN.unread(flags)}
    assert len(read) >= (24 if row.defense.startswith("N/A") else 27)
    assert {name: text(flags[name]) for name in read} == {name: wanted[name] for name in read}
