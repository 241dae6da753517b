"""What a finished training suggests: other defenses on its own data, as commands that run."""

import pathlib
import shlex

import pytest

from hm_tf import config, flags
from hm_tf.next_trainings import next_trainings
from robust_tf.cli import command_line

DATA = "--dataset=folder", "--data_dir=/photos", "--train_classes=half.txt", "--limit_train=90"


def parsed(*typed):
    values = command_line._parse(["train", *typed], flags.define_train, "hm")
    config.drop_unread(values)
    return values


def commands_after(folder, *typed):
    """The arguments of the suggested commands, after "python -m hm_tf.train"."""
    options = parsed(*typed)
    folder.mkdir(exist_ok=True)
    given = {name: options[name].value for name in options if options[name].value is not None}
    lists = {name: ",".join(value) for name, value in given.items() if isinstance(value, list)}
    lines = [f"--{name}={value}" for name, value in (given | lists).items() if name != "flagfile"]
    (folder / "flags.txt").write_text("\n".join(map(shlex.quote, lines)))
    return [shlex.split(line, comments=True)[3:] for line in next_trainings(options, folder)]


@pytest.mark.parametrize(
    "own, others",
    [("hm", ["none", "act"]), ("act", ["none", "hm"]), ("none", ["act", "hm"])],
)
def test_other_defenses_on_the_same_data(own, others, tmp_path):
    workdir = f"--workdir={tmp_path / 'mine'}"
    found = commands_after(tmp_path / "mine", *DATA, f"--defense={own}", workdir)
    options = [parsed(*arguments) for arguments in found]
    assert [o.defense for o in options] == others
    for o in options:
        config.check_typed(o)
        config.check(o)
        assert [o.dataset, o.data_dir, o.train_classes, o.limit_train] == [
            *("folder", "/photos", "half.txt", 90)
        ]
        assert pathlib.Path(o.workdir).parent == tmp_path and o.workdir != str(tmp_path / "mine")
        assert bool(o.ics) == (o.defense == "hm")


def test_the_weight_of_the_structure_loss_is_that_of_the_recipe(tmp_path):
    """In the flags of a baseline it is 0."""
    weights = []
    for dataset in ("sop", "cub200"):
        _, hm = commands_after(tmp_path / dataset, f"--dataset={dataset}", "--defense=none")
        weights.append(parsed(*hm).ics)
    assert weights == [0.05, 0.5]


def test_without_a_workdir_every_defense_has_its_own_anyway(tmp_path):
    *found, mnist = commands_after(tmp_path / "run", "--defense=hm")
    assert mnist == ["--dataset=mnist"]
    folders = [config.folder_name(parsed(*arguments)) for arguments in found]
    assert folders == ["none-random", "act-random"]
    assert not any(a.startswith("--workdir") for arguments in found for a in arguments)
