"""What a finished training suggests: other defenses on its own data, as commands that run."""

import pathlib
import shlex

import pytest

from hm_tf.options import TRAIN, workdir_of
from hm_tf.reporting.next_trainings import next_trainings

DATA = "--dataset=folder", "--data_dir=/photos", "--train_classes=half.txt", "--limit_train=90"


def commands_after(folder, *typed):
    """The arguments of the suggested commands, after "python -m hm_tf.train"."""
    options = TRAIN.parse(list(typed))
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "flags.txt").write_text(options.flagfile())
    lines = next_trainings(
        options.defense,
        options.dataset,
        folder,
        data_dir=options.data_dir,
        named=bool(options.workdir),
    )
    return [shlex.split(line, comments=True)[3:] for line in lines]


@pytest.mark.parametrize(
    "own, others",
    [("hm", ["none", "act"]), ("act", ["none", "hm"]), ("none", ["act", "hm"])],
)
def test_other_defenses_on_the_same_data(own, others, tmp_path):
    workdir = f"--workdir={tmp_path / 'mine'}"
    found = commands_after(tmp_path / "mine", *DATA, f"--defense={own}", workdir)
    options = [TRAIN.parse(arguments) for arguments in found]
    assert [o.defense for o in options] == others
    for o in options:
        assert [o.dataset, o.data_dir, o.train_classes, o.limit_train] == [
            *("folder", "/photos", "half.txt", 90)
        ]
        assert pathlib.Path(o.workdir).parent == tmp_path and o.workdir != str(tmp_path / "mine")
        assert bool(o.ics) == (o.defense == "hm")


def test_the_weight_of_the_structure_loss_is_the_recipes(tmp_path):
    """In the flags of a baseline it is 0."""
    weights = []
    for dataset in ("sop", "cub200"):
        workdir = f"--workdir={tmp_path / dataset}"
        _, hm = commands_after(
            tmp_path / dataset, f"--dataset={dataset}", "--defense=none", workdir
        )
        weights.append(TRAIN.parse(hm).ics)
    assert weights == [0.05, 0.5]


def test_without_a_workdir_every_defense_has_its_own_anyway(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs/hm_tf/digit_pairs/hm-softhard-lga-ics0.5/seed0"
    *found, mnist = commands_after(run, "--defense=hm")
    assert mnist == ["--dataset=mnist"]
    folders = [workdir_of(TRAIN.parse(arguments)) for arguments in found]
    assert folders == [f"runs/hm_tf/digit_pairs/{name}-random/seed0" for name in ("none", "act")]
    assert not any(a.startswith("--workdir") for arguments in found for a in arguments)
