import pytest

from robust_tf.attacks import presets
from robust_tf.attacks.auto_attack import VERSIONS
from robust_tf.attacks.momentum import FORMS
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel
from tla_tf.evaluation.attack_columns import GROUPS, TABLE1, attack_columns, expand
from tla_tf.options import EVALUATE

THREAT = ThreatModel("8/255")


def names(given, **kw):
    return [column.name for column in attack_columns(given, THREAT, "cifar10", **kw)]


def test_groups_become_their_members_in_order_each_once():
    table1 = ["clean", "fgsm", "bim7", "cw30", "pgd7", "pgd20", "20pgd20", "mim40"]
    assert names(["pgd20", "table1", "fgsm"]) == ["pgd20", *[n for n in table1 if n != "pgd20"]]
    theirs = ["fgm", "bim7", "pgd7", "madry7", "mim40", "cw2", "spsa"]
    found = [n for n in names(["cleverhans"]) if n.startswith("cleverhans")]
    assert found == [f"cleverhans-{name}" for name in theirs]
    assert (
        not set(names(["cleverhans"]))
        - set(found)
        - {"fgsm", "bim7", "pgd7", "mim40", "fab-t", "square"}
    )
    assert "cleverhans-spsa" not in expand(["cleverhans"], "mnist", "l2")
    assert expand(["table1"], "digits") == expand(["table1"], "cifar10")


@pytest.mark.parametrize("dataset", TABLE1)
def test_every_member_of_a_group_is_an_attack(dataset):
    for name in expand(GROUPS, dataset):
        assert presets.get(name, THREAT).name == name


def test_standard_stays_an_ensemble_beside_the_same_attack_alone():
    columns = attack_columns(["apgd-ce", "standard"], THREAT, "cifar10")
    assert [(c.name, c.ensemble) for c in columns] == [
        ("apgd-ce", None),
        *((name, "standard") for name in VERSIONS["standard"]),
    ]


def test_all_unknown_names_are_listed():
    with pytest.raises(
        UserError, match="'pdg20' .*'pgd20.*, 'cww3' .*; allowed: clean, fgsm.*standard"
    ):
        names(["clean", "pdg20", "cww3"])
    with pytest.raises(UserError, match="--attacks=cleverhans-spsa: spsa .* linf only"):
        attack_columns(["cleverhans-spsa"], ThreatModel(0.5, "l2"), "cifar10")
    with pytest.raises(UserError, match="no attack was named"):
        names([])


def test_another_form_of_momentum_and_rounding_show_in_name_and_preset():
    given = ["clean", "mim3", "pgd2", "standard"]
    columns = attack_columns(given, THREAT, "cifar10", mim_form="ema", round_pixels=True)
    standard = [(f"{name}-rounded", "standard-rounded") for name in VERSIONS["standard"]]
    assert [(column.name, column.ensemble) for column in columns] == [
        *(("clean", None), ("mim3-ema-rounded", None), ("pgd2-rounded", None)),
        *standard,
    ]
    assert all(column.preset.rounded for column in columns[1:])
    momentum = columns[1].preset.attack.momentum
    assert (momentum.decay, momentum.form) == (0.9, "ema")
    (other,) = attack_columns(["mim3"], THREAT, "cifar10", mim_form="l1")
    assert (other.name, other.preset.attack.momentum.form) == ("mim3-l1", "l1")
    assert not other.preset.rounded


def test_transfer_needs_a_substitute_and_a_substitute_adds_its_column():
    with pytest.raises(UserError, match="--substitute"):
        names(["transfer"])
    assert names(["fgsm"], substitutes=["other"]) == ["fgsm", "transfer-pgd7 from other"]


def test_transferred_images_are_rounded_too():
    options = {"substitutes": ["other"], "round_pixels": True}
    (column,) = attack_columns(["transfer-mim2"], THREAT, "cifar10", mim_form="l1", **options)
    assert column.name == "transfer-mim2-l1-rounded from other" and column.preset.rounded
    assert column.preset.name == column.name


def test_the_forms_of_the_flag_are_those_of_the_attack():
    assert EVALUATE.flags["mim_form"].choices == FORMS == tuple(presets.MIM_DECAY)
