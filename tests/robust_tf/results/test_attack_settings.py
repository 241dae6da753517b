import dataclasses
import json

import numpy as np
import pytest

from robust_tf.attacks import presets
from robust_tf.attacks.attack import Attack
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.presets import Preset
from robust_tf.evaluation.embedding_attack import EmbeddingAttack
from robust_tf.results.attack_settings import attack_settings, untold
from robust_tf.threat_model import ThreatModel


@pytest.mark.parametrize(
    "name, expected",
    [
        ("2pgd3", {"steps": 3, "restarts": 2, "random_start": True, "momentum": None}),
        ("mim3", {"momentum": {"decay": 1.0, "form": "accumulate"}}),
        ("apgd-t", {"steps": 100, "targets": 9, "loss": "targeted DLR"}),
        ("square", {"queries": 5000, "p": 0.8}),
        ("fab-t", {"steps": 100, "targets": 9}),
        ("cleverhans-pgd3", {"name": "pgd", "steps": 3}),
    ],
)
def test_settings_of_every_kind_of_attack_can_be_stored(name, expected):
    settings = attack_settings(presets.get(name, ThreatModel("8/255")), 10)
    assert expected.items() <= settings.items() and "threat_model" not in settings
    assert json.loads(json.dumps(settings)) == settings


def test_what_differs_from_the_paper_is_in_the_settings():
    threat_model = ThreatModel("8/255")
    preset = presets.get("mim3", threat_model, "ema")
    assert attack_settings(preset, 10)["momentum"] == {"decay": 0.9, "form": "ema"}
    rounded = dataclasses.replace(preset, rounded=True)
    assert attack_settings(rounded, 10) == {**attack_settings(preset, 10), "rounded": True}


def test_settings_of_an_attack_around_another_can_be_stored():
    pgd, gallery = presets.get("pgd3", ThreatModel("8/255")).attack, np.zeros([6, 2], np.float32)
    attack = EmbeddingAttack(pgd, lambda x: x, np.zeros(6), gallery)
    settings = attack_settings(Preset("embedding", attack), 10)
    assert settings["pgd"]["steps"] == 3 and settings["pgd"]["threat_model"]["eps"] == 8 / 255
    assert settings["gallery"] == [6, 2]
    assert json.loads(json.dumps(settings)) == settings


@pytest.mark.parametrize("classes, loss", [(2, "margin"), (3, "DLR"), (4, "targeted DLR")])
def test_the_loss_is_the_one_that_this_many_classes_allow(classes, loss):
    preset = presets.get("apgd-t", ThreatModel("8/255"))
    assert attack_settings(preset, classes)["loss"] == loss


@pytest.mark.parametrize("number", [np.int64(5), np.array(5)])
def test_a_number_of_numpy_is_stored_as_a_number(number):
    """As an array of no axes it would have the shape of any other number."""
    found, expected = (attack_settings(Preset("p", PGD(eps=0.1, steps=n)), 10) for n in (number, 5))
    assert found["steps"] == expected["steps"] == 5
    assert json.loads(json.dumps(found))["steps"] == 5


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    size: int = 2


@dataclasses.dataclass(frozen=True)
class Own(Attack):
    given: object = None


@pytest.mark.parametrize(
    "given, stored",
    [
        ((np.float32(0.5), np.int64(3)), [0.5, 3]),
        ([np.ones([2, 3]), len], [[2, 3], "len"]),
        (Part(), {"size": 2}),
        ({"part": Part(4)}, {"part": {"size": 4}}),
        ({1}, "set"),
    ],
)
def test_a_setting_of_any_kind_can_be_stored(given, stored):
    found = attack_settings(Preset("p", Own(eps=0.1, given=given)), 10)
    assert json.loads(json.dumps(found))["given"] == stored


@pytest.mark.parametrize("name", ["2pgd3", "mim3", "apgd-t", "square", "eot-apgd-ce", "malt"])
def test_the_settings_of_known_attacks_tell_all(name):
    assert untold(presets.get(name, ThreatModel("8/255")).attack) == []
