"""The TLA paper's tables: sums are right, flags exist and make what they are named after."""

import configparser
import hashlib
import pathlib

import pytest

from robust_tf.errors import UserError
from robust_tf.reports.published import find
from robust_tf.threat_model import parse_magnitude
from tla_tf.evaluation.attack_columns import TABLE1
from tla_tf.options import ANALYZE, EVALUATE, METHODS, TRAIN
from tla_tf.reporting import published_rows

ROOT = pathlib.Path(__file__).parents[3]
ROWS = published_rows.rows(TRAIN)
TRAINABLE = [row for row in ROWS if row.flags]
AREA = "misclassification detection AUC"
# Table -> data set -> the radius of training where the attack has another: figure 5's caption.
TRAINED = {"figure5": {"mnist": "0.03", "cifar10": "8/255"}}
# Smallest white-box accuracy of every row of table 1, computed when the table was transcribed.
MINIMA = {
    "mnist": {"um": 0, "at": 93.87, "alp": 94.93, "tla_rn": 96.73, "tla_sa": 95.64, "tla": 96.64},
    "cifar10": {"um": 0, "at": 45.16, "alp": 45.97, "tla_rn": 45.55, "tla_sa": 49.15, "tla": 50.03},
    "tiny_imagenet": {"um": 0, "at": 11.42, "alp": 9.70, "tla_rn": 11.29}
    | {"tla_sa": 11.34, "tla": 12.47},
}


def value(name, column):
    return find(ROWS, name).values[column]


def test_all_tables_are_there():
    counts = {}
    for row in ROWS:
        counts[row.table] = counts.get(row.table, 0) + 1
    assert counts == {"table1": 18, "table2": 24, "table3": 9, "figure5": 8, "anchors": 31} | {
        "challenge": 2
    }
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("dataset", MINIMA)
def test_minima_of_table_1(dataset):
    for method, minimum in MINIMA[dataset].items():
        values = find(ROWS, f"table1/{dataset}/{method}").values
        first, *white_box, last = values
        assert first == "clean" and last.startswith("transfer-")
        assert min(values[attack] for attack in white_box) == minimum


def test_the_gains_that_the_paper_states():
    gains = {
        1.86: ("table1/mnist/tla", "table1/mnist/alp", "20pgd100"),
        4.12: ("table1/cifar10/tla", "table1/cifar10/alp", "mim40"),
        1.05: ("table1/tiny_imagenet/tla", "table1/tiny_imagenet/at", "cw10"),
        3.69: ("figure5/mnist/tla", "figure5/mnist/at", AREA),
        6.45: ("figure5/cifar10/tla", "figure5/cifar10/alp", AREA),
    }
    for gain, (ours, other, column) in gains.items():
        assert value(ours, column) - value(other, column) == pytest.approx(gain)


def test_tables_2_and_3():
    assert value("table2/cifar10/tla/25/255", "separation ratio") == 1.390
    assert value("table2/mnist/at/0.3", "separation ratio") == 1.308
    row = find(ROWS, "table3/mnist/tla")
    attacked, natural = map(row.cell, row.values)
    assert tuple(row.values.values()) == (96.98, 99.47)
    assert (natural.attack, natural.scale) == ("clean", 100)
    assert attacked.attack == "pgd100"
    assert natural.metric == attacked.metric == "50-NN accuracy"


def test_doubtful_cells():
    found = {(row.name, column) for row in ROWS for column in row.doubtful}
    single = {
        ("table1/cifar10/tla_rn", "20pgd20"),
        ("table1/tiny_imagenet/tla_rn", "mim40"),
        ("table1/mnist/tla", "mim200"),
    }
    methods = [m for m in METHODS if m not in ("trades", "mart")]  # not the paper's
    header = {(f"table1/tiny_imagenet/{method}", "pgd10") for method in methods}
    assert found == single | header
    row = find(ROWS, "table1/mnist/tla")
    assert [row.values[column] for column in row.doubtful] == [96.64]
    assert row.cell("mim200").attack == "mim200"


@pytest.mark.parametrize("row", TRAINABLE, ids=lambda row: row.name)
def test_flags_make_the_row_and_measure_it(row):
    resolved = row.training
    assert (resolved["dataset"], resolved["method"]) == (row.dataset, row.method)
    assert resolved["model"] and resolved["train_steps"] >= 80_000
    if row.method != "um" and row.table != "table2":
        wanted = TRAINED.get(row.table, {}).get(row.dataset, row.eps)
        assert parse_magnitude(resolved["eps"]) == parse_magnitude(wanted)
        assert parse_magnitude(resolved["attack_step_size"]) < parse_magnitude(resolved["eps"])
    if row.table == "table1":
        assert tuple(list(row.values)[1:-1]) == TABLE1[row.dataset]
    module, given = row.measure
    {"tla_tf.evaluate": EVALUATE, "tla_tf.analyze": ANALYZE}[module].parse(given)


def test_figure_5_trains_as_its_caption_says():
    """MNIST: epsilon 0.03, 40 steps; CIFAR-10: 8/255, 7 steps."""
    steps = {"mnist": 40, "cifar10": 7}
    rows = [row for row in ROWS if row.table == "figure5" and row.method != "um"]
    assert len(rows) == 6
    for row in rows:
        assert row.training["attack_steps"] == steps[row.dataset]
        assert row.note == "the paper does not state the covariance"


def test_series():
    """The poster's pool sizes at 50 images a batch; a series changes one setting of its recipe."""
    rows = {row.name: row for row in published_rows.series_rows(TRAIN)}
    usual, changed = TRAIN.resolve(["--dataset=cifar10", "--method=tla"]), {}
    for name, row in rows.items():
        if name != "pool/1":
            flags = row.training
            changed[name] = {flag for flag in flags if flags[flag] != usual[flag]}
            assert len(changed[name]) <= 1
            if row.table == "pool":
                assert flags["pool_mul"] * flags["batch_size"] == int(name.split("/")[1])
    assert set.union(*changed.values()) == {"pool_mul", "lambda_triplet", "margin"}
    assert rows["pool/1"].method == "tla_rn" and rows["pool/1000"].values["pgd20"] == 51.2
    assert all(row.doubtful == tuple(row.values) for row in rows.values())


def test_anchors():
    mao = find(ROWS, "anchors/mao2019")
    assert (mao.values, mao.method) == ({"clean": 86.21, "standard": 47.41}, "tla")
    assert "50.03" in mao.note
    best = max((r for r in ROWS if r.table == "anchors"), key=lambda r: r.values["standard"])
    assert best.name == "anchors/gowal_mnist"


@pytest.mark.parametrize("name", ["table1/cifar10/x", "table9/x", ""])
def test_unknown_rows(name):
    with pytest.raises(UserError, match="there is no row"):
        find(ROWS, name)


def test_the_tables_are_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert "published/*.csv" in setup["options.package_data"]["tla_tf"]


# Checksums of the tables in a transcription of the paper that is not part of this package.
CHECKSUMS = {"table1": "7373ac2ff61a", "table2": "117b3f0aebdb", "table3": "07e3e185f355"} | {
    "figure5": "3b1818831db3"
}


@pytest.mark.parametrize("table", CHECKSUMS)
def test_every_number_is_the_papers(table):
    lines = []
    for row in ROWS:
        if row.table == table:
            eps = [row.eps] if table == "table2" else []
            numbers = [f"{value:g}" for value in row.values.values()]
            lines.append(" ".join([row.dataset, row.method, *eps, *numbers]))
    text = "\n".join(sorted(lines))
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == CHECKSUMS[table]
