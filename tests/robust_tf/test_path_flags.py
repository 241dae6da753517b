"""~ in paths: a shell leaves it as it is in --name=~/folder."""

import pytest

from hm_tf import options as hm
from robust_tf.cli import shared_flags
from robust_tf.cli.flag_table import FlagTable
from tla_tf import options as tla

EXPORT = FlagTable(shared_flags.EXPORT)
PATHS = {
    "export": (EXPORT, ["workdir", "export_dir"]),
    "tla train": (tla.TRAIN, ["workdir", "init_from", "data_dir"]),
    "tla evaluate": (tla.EVALUATE, ["workdir", "saved_model"]),
    "tla analyze": (tla.ANALYZE, ["output_dir"]),
    "tla report": (tla.REPORT, ["output"]),
    "hm train": (hm.TRAIN, ["workdir", "train_classes"]),
    "hm evaluate": (hm.EVALUATE, ["workdir", "substitute"]),
    "hm attack": (hm.ATTACK, ["workdir", "output_dir", "query", "gallery", "candidate"]),
    "hm analyze": (hm.ANALYZE, ["workdir"]),
    "hm report": (hm.REPORT, ["output", "figures_dir"]),
}
CASES = [
    pytest.param(table, name, id=f"{command} {name}")
    for command, (table, names) in PATHS.items()
    for name in names
]
LISTS = [
    pytest.param(tla.ANALYZE, "workdir", id="tla analyze"),
    pytest.param(tla.REPORT, "workdir", id="tla report"),
    pytest.param(tla.COMPARE, "runs", id="tla compare"),
    pytest.param(hm.REPORT, "workdir", id="hm report"),
]


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize("table, name", CASES)
def test_the_home_folder(table, name):
    assert table.parse([f"--{name}=~/rv"]).flags[name] == "/home/me/rv"
    assert table.parse([f"--{name}=a~/rv"]).flags[name] == "a~/rv"


@pytest.mark.parametrize("table, name", LISTS)
def test_the_home_folder_in_lists(table, name):
    assert table.parse([f"--{name}=~/a,b,~/c"]).flags[name] == ["/home/me/a", "b", "/home/me/c"]


def test_a_flag_given_again_and_again():
    found = tla.EVALUATE.parse(["--substitute=~/a", "--substitute=b"])
    assert found.substitute == ["/home/me/a", "b"]


def test_defaults():
    assert tla.EVALUATE.parse([]).workdir is None
    assert tla.EVALUATE.parse([]).substitute == []
    assert tla.COMPARE.parse([]).runs == ["runs"]
    assert tla.REPORT.parse([]).output == "report.html"
