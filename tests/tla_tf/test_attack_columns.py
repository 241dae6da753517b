import pytest

from robust_tf.attacks import presets
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel
from tla_tf.attack_columns import attack_columns

THREAT = ThreatModel("8/255")


def names(given, **kw):
    return [column.name for column in attack_columns(given, THREAT, "cifar10", **kw)]


def test_groups_become_their_members_in_order_each_once():
    table1 = ["clean", "fgsm", "bim7", "cw30", "pgd7", "pgd20", "20pgd20", "mim40"]
    assert names(["pgd20", "table1", "fgsm"]) == ["pgd20", *[n for n in table1 if n != "pgd20"]]
    theirs = ["cleverhans-fgm", "cleverhans-bim7", "cleverhans-pgd7", "cleverhans-mim40"]
    assert [n for n in names(["cleverhans"]) if n.startswith("cleverhans")] == theirs


def test_standard_stays_an_ensemble_beside_the_same_attack_alone():
    columns = attack_columns(["apgd-ce", "standard"], THREAT, "cifar10")
    assert [(c.name, c.ensemble) for c in columns] == [
        ("apgd-ce", None),
        *((name, "standard") for name in presets.STANDARD),
    ]


def test_all_unknown_names_are_listed():
    with pytest.raises(UserError, match="'pdg20', 'cww3'; allowed: clean, fgsm.*standard"):
        names(["clean", "pdg20", "cww3"])
    with pytest.raises(UserError, match="no attack was named"):
        names([])
