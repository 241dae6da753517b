"""~ in paths: a shell leaves it as it is in --name=~/folder."""

import pytest
from absl import flags

from hm_tf import flags as hm_flags
from robust_tf.cli import flag_topics
from tla_tf import flags as tla_flags


def parsed(define, *arguments):
    values = flags.FlagValues()
    define(values)
    values(["command", *arguments])
    return values


PATHS = {
    flag_topics.define_export: ["workdir", "export_dir"],
    tla_flags.define_train: ["workdir", "init_from"],
    tla_flags.define_evaluate: ["workdir", "saved_model"],
    tla_flags.define_analyze: ["output_dir"],
    tla_flags.define_report: ["output"],
    hm_flags.define_train: ["workdir", "train_classes"],
    hm_flags.define_evaluate: ["workdir", "substitute"],
    hm_flags.define_attack: ["workdir", "output_dir"],
    hm_flags.define_analyze: ["workdir"],
    hm_flags.define_report: ["output", "figures_dir"],
}
FLAGS = [(define, name) for define, names in PATHS.items() for name in names]
LISTS = [
    (tla_flags.define_analyze, "workdir"),
    (tla_flags.define_report, "workdir"),
    (tla_flags.define_compare, "runs"),
    (hm_flags.define_report, "workdir"),
]


def identity(case):
    define, name = case
    return f"{define.__module__}-{define.__name__}-{name}"


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize("case", FLAGS, ids=map(identity, FLAGS))
def test_the_home_folder(case):
    define, name = case
    assert parsed(define, f"--{name}=~/rv")[name].value == "/home/me/rv"
    assert parsed(define, f"--{name}=a~/rv")[name].value == "a~/rv"


@pytest.mark.parametrize("case", LISTS, ids=map(identity, LISTS))
def test_the_home_folder_in_lists(case):
    define, name = case
    found = parsed(define, f"--{name}=~/a,b,~/c")
    assert found[name].value == ["/home/me/a", "b", "/home/me/c"]
    assert f"--{name}=/home/me/a,b,/home/me/c" in found.flags_into_string()


def test_a_flag_given_again_and_again():
    found = parsed(tla_flags.define_evaluate, "--substitute=~/a", "--substitute=b")
    assert found.substitute == ["/home/me/a", "b"]


def test_defaults():
    assert parsed(tla_flags.define_evaluate).workdir is None
    assert parsed(tla_flags.define_evaluate).substitute == []
    assert parsed(tla_flags.define_compare).runs == ["runs"]
    assert parsed(tla_flags.define_report).output == "report.html"
