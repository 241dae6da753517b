"""The default run folder: what distinguishes a run stands in its name."""

import json
import pathlib
import re

import pytest

from hm_tf import options as hm
from hm_tf.reporting import published_rows as hm_rows
from tla_tf import options as tla
from tla_tf.reporting import published_rows as tla_rows

ROWS = {"tla_tf": (tla, tla_rows.rows(tla.TRAIN)), "hm_tf": (hm, hm_rows.rows(hm.TRAIN))}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def folder(*flags, package=tla):
    return package.workdir_of(package.TRAIN.parse(list(flags)))


@pytest.mark.parametrize("name, trainings", [("tla_tf", 23), ("hm_tf", 93)])
def test_every_training_of_the_papers_has_a_folder_of_its_own(name, trainings):
    package, rows = ROWS[name]
    flags = {row.flags for row in rows if row.flags}
    assert len(flags) == trainings
    assert len({folder(*row, package=package) for row in flags}) == trainings


@pytest.mark.parametrize(
    "flags, name",
    [
        ([], "digits/tla/seed0"),
        (["--method=um", "--dataset=mnist", "--seed=3"], "mnist/um/seed3"),
        # What is no part of the identity, and what is typed as the recipe has it.
        (["--train_steps=900", "--eps=0.15", "--eval_attacks=clean"], "digits/tla/seed0"),
    ],
)
def test_the_plain_recipe_has_the_plain_name(flags, name):
    assert folder(*flags) == f"runs/tla_tf/{name}"


def test_other_settings_have_a_hash():
    found = folder("--eps=0.1", "--seed=2")
    assert re.fullmatch(r"runs/tla_tf/digits/tla-[0-9a-f]{8}/seed2", found)
    assert folder("--seed=2", "--eps=0.1") == found != folder("--eps=0.2", "--seed=2")
    # Seeds of one setting lie side by side.
    assert pathlib.Path(folder("--eps=0.1")).parent == pathlib.Path(found).parent
    assert folder("--pgd_steps=3", package=hm).startswith(
        "runs/hm_tf/digit_pairs/hm-softhard-lga-ics0.5-"
    )


def test_recipes_that_do_not_settle_and_data_without_one():
    """--bn=frozen of the recipe of CUB contradicts random weights."""
    assert folder("--dataset=cub200", package=hm).endswith("cub200/hm-softhard-lga-ics0.5/seed0")
    own = "--dataset=fashion_mnist", "--flagfile=flags/tla/mnist.flags"
    assert re.search("fashion_mnist/tla-[0-9a-f]{8}/seed0$", folder(*own))


def keep(flags):
    """What an older version left in the folder without a hash."""
    run = pathlib.Path("runs/tla_tf/digits/tla/seed0")
    run.mkdir(parents=True)
    kept = {"flags": dict(tla.TRAIN.parse(list(flags)).flags)}
    (run / "config.json").write_text(json.dumps(kept))
    return str(run)


def test_a_folder_of_an_older_version_is_found():
    kept = keep(["--eps=0.1"])
    assert folder("--eps=0.1") == folder("--eps=0.1", "--train_steps=700") == kept
    assert folder("--eps=0.2") != kept


def test_the_plain_recipe_trains_beside_another_run_in_its_folder():
    kept = keep(["--eps=0.1"])
    assert re.fullmatch(r"runs/tla_tf/digits/tla-[0-9a-f]{8}/seed0", folder())
    assert folder() not in (kept, folder("--eps=0.2"))
