"""Columns, ensemble, worst case, stored outcomes and images, on a network that is exact."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.auto_attack import VERSIONS
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.square import Square
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from robust_tf.results.result import read_results, weights_hash
from robust_tf.threat_model import ThreatModel
from tla_tf.evaluation import column_attacks
from tla_tf.evaluation.attack_columns import attack_columns
from tla_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from tla_tf.evaluation.column_attacks import ColumnAttacks
from tla_tf.evaluation.substitute import Substitute

SIDE, COUNT = 4, 11
ABOUT = {"dataset": "cifar10", "method": "at", "training_seed": 0, "seed": 2}
ABOUT |= {"precision": "float32"}
THREAT = ThreatModel(0.2)
SHORT = {
    "apgd-ce": lambda threat: APGD(threat, "ce", steps=5),
    "apgd-dlr": lambda threat: APGD(threat, "dlr", steps=5),
    "apgd-t": lambda threat: APGD(threat, "targeted-dlr", steps=5),
    "fab-t": lambda threat: FAB(threat, steps=5),
    "square": lambda threat: Square(threat, queries=5),
}


@pytest.fixture(autouse=True)
def short_attacks(monkeypatch):
    monkeypatch.setattr(auto_attack, "MEMBERS", SHORT)


def network(pixel=0, weight=1.0):
    """Class 1 where this pixel is above one half."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    head = keras.layers.Dense(2, name="logits")
    logits = head(keras.layers.Flatten()(image))
    kernel = np.zeros((SIDE * SIDE, 2), np.float32)
    kernel[pixel] = -weight, weight
    head.set_weights([kernel, np.array([0.5, -0.5], np.float32) * weight])
    return keras.Model(image, {"logits": logits}, name="threshold")


@pytest.fixture
def examples():
    images = np.full((COUNT, SIDE, SIDE, 1), 127, np.uint8)
    images[:, 0, 0, 0] = np.linspace(20, 235, COUNT)
    labels = (images[:, 0, 0, 0] > 127.5).astype(np.int32)
    labels[0] = 1 - labels[0]
    return Examples(images, labels)


@pytest.fixture
def evaluation(tmp_path, examples):
    def evaluation(target=None, **options):
        options = {"batch_size": 4, "xla": False, **options}
        attacks = ColumnAttacks(target or network(), examples, ABOUT, tmp_path, **options)
        return ClassifierEvaluation(attacks)

    return evaluation


def run(evaluation, *names, threat_model=THREAT):
    substitutes = list(evaluation.attacks._substitutes)
    evaluation.run(attack_columns(list(names), threat_model, "cifar10", substitutes))
    evaluation.record_worst_case(threat_model)
    return {result.column: result for result in evaluation.results}


def forbid_attacks(monkeypatch):
    def forbidden(*args, **kwargs):
        def attack_batch(*batch):
            raise AssertionError("attacked again")

        return attack_batch

    monkeypatch.setattr(column_attacks, "compile_attack", forbidden)


@pytest.mark.parametrize("threat_model", [THREAT, ThreatModel(0.3, "l2")], ids=str)
def test_every_attack_runs_and_the_worst_case_is_below_all(evaluation, threat_model):
    names = ["clean", "fgsm", "bim2", "mim2", "2pgd2", "cw2", *SHORT, "cleverhans-bim2"]
    found = run(evaluation(), *names, "standard", threat_model=threat_model)
    worst = found.pop("worst case")
    assert set(names) < found.keys()
    assert worst.value <= min(result.value for result in found.values())
    assert worst.threat_model["norm"] == threat_model.norm
    assert worst.n == COUNT and worst.interval[0] <= worst.value <= worst.interval[1]


def test_an_ensemble_attacks_only_what_withstood_its_members_before(evaluation, monkeypatch):
    shown, whole = [], column_attacks.correct_predictions

    def recorded(network, examples, preset, **kw):
        correct = whole(network, examples, preset, **kw)
        shown.append((preset and preset.name, kw["standing"], correct))
        return correct

    monkeypatch.setattr(column_attacks, "correct_predictions", recorded)
    found = run(evaluation(), "apgd-ce", "standard")
    assert [name for name, *_ in shown] == ["apgd-ce", None, *VERSIONS["standard"]]
    assert shown[0][1] is None, "alone it attacks all images"
    for (*_, before), (_, standing, _) in zip(shown[1:], shown[2:]):
        np.testing.assert_array_equal(standing, before)
    chain = ["clean", *VERSIONS["standard"]]
    for place, name in enumerate(VERSIONS["standard"], start=1):
        member = found[f"{name} after {', '.join(chain[:place])}"]
        assert member.after == tuple(chain[:place])
        assert member.correct == shown[place + 1][2].sum() and member.n == COUNT
    assert found["standard"].correct == shown[-1][2].sum() == member.correct
    assert found["standard"].attack_settings == {"members": list(VERSIONS["standard"])}


def test_an_attack_without_an_image_left_is_not_called_stored(evaluation, capsys):
    found = run(evaluation(), "standard", threat_model=ThreatModel(0.9))
    assert found["standard"].value == 0
    said = capsys.readouterr().out
    assert "square: no image is left to attack" in said and "stored" not in said


def test_a_batch_is_no_larger_than_the_images(evaluation):
    assert evaluation(batch_size=250).attacks.batch_size == COUNT
    of_one_size = network()
    of_one_size.batch_size = 250
    assert evaluation(of_one_size, batch_size=250).attacks.batch_size == 250


def test_finished_outcomes_are_reused(evaluation, tmp_path, monkeypatch, capsys):
    names = ["fgsm", "2pgd2", "standard"]
    first = run(evaluation(), *names)
    records = len(read_results(tmp_path / "results.jsonl"))
    with monkeypatch.context() as patch:
        forbid_attacks(patch)
        again = run(evaluation(), *names)
        assert again == first and "2pgd2: stored" in capsys.readouterr().out
        for changed in ({"fresh": True}, {"batch_size": 3}):
            with pytest.raises(AssertionError, match="attacked again"):
                run(evaluation(**changed), *names)
        with pytest.raises(AssertionError, match="attacked again"):
            run(evaluation(network(weight=1.5)), *names)
        with pytest.raises(AssertionError, match="attacked again"):
            run(evaluation(), *names, threat_model=ThreatModel(0.21))
    assert len(read_results(tmp_path / "results.jsonl")) == 2 * records


def test_transfer_shows_the_images_of_the_substitute(evaluation):
    others = [Substitute(f"pixel{p}", network(p), weights_hash(network(p))) for p in (0, 5)]
    found = run(evaluation(substitutes=others), "bim2", "transfer-bim2")
    same, blind = (found[f"transfer-bim2 from pixel{p}"] for p in (0, 5))
    assert same.correct == found["bim2"].correct < COUNT - 1
    assert blind.correct == COUNT - 1, "moving another pixel harms nothing"
    assert same.attack_settings["substitute"] == others[0].weights_hash
    with pytest.raises(UserError, match="--substitute"):
        run(evaluation(), "transfer")


def test_substitutes_add_the_black_box_column(evaluation):
    other = Substitute("pixel5", network(5), weights_hash(network(5)))
    assert "transfer-pgd7 from pixel5" in run(evaluation(substitutes=[other]), "fgsm")


def test_adversarial_images_are_kept_and_shown_again(
    evaluation, examples, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(VERSIONS, "standard", ("apgd-ce", "square"))  # quick to trace
    keep = {"save_adversarial": True}
    names = ["2pgd2", "standard"]
    first = run(evaluation(**keep), *names)
    with np.load(tmp_path / "adversarial/2pgd2.npz") as stored:
        images, attacked = stored["images"], stored["attacked"]
        assert json.loads(str(stored["identity"]))["weights_hash"] == first["2pgd2"].weights_hash
    assert images.dtype == np.float32 and attacked.all()
    clean = tf.constant(examples.images / np.float32(255))
    assert THREAT.contains(tf.constant(images), clean).numpy().all()
    right = np.argmax(network()(images)["logits"], 1) == examples.labels
    assert right.sum() == first["2pgd2"].correct
    assert (tmp_path / "adversarial/standard-square.npz").exists()
    assert not list(tmp_path.glob("adversarial/*.partial"))
    with monkeypatch.context() as patch:
        patch.setattr(presets.Preset, "run", None)
        assert run(evaluation(**keep), *names) == first
        assert "2pgd2.npz" in capsys.readouterr().out
    with pytest.raises(UserError, match="2pgd2.npz was made with another weights_hash"):
        run(evaluation(network(weight=2.0), **keep), *names)
    with pytest.raises(UserError, match="threat_model"):
        run(evaluation(**keep), *names, threat_model=ThreatModel(0.1))
    run(evaluation(network(weight=2.0), fresh=True, **keep), *names)


@pytest.mark.parametrize("images_too", [False, True])
def test_an_interrupted_evaluation_goes_on(evaluation, tmp_path, monkeypatch, images_too):
    whole, calls = column_attacks.compile_attack, []

    def counted(limit):
        def compile_attack(*args, **kw):
            attack_batch = whole(*args, **kw)

            def limited(*batch):
                if len(calls) == limit:
                    raise KeyboardInterrupt
                calls.append(batch)
                return attack_batch(*batch)

            return limited

        return compile_attack

    monkeypatch.setitem(VERSIONS, "standard", ("apgd-ce", "square"))  # quick to trace
    names = ["3pgd2", "standard"]
    options = {"save_adversarial": images_too}
    expected = run(evaluation(**options), *names)
    kept = tmp_path / "adversarial/3pgd2.npz"
    images = np.load(kept)["images"] if images_too else None
    for path in [*tmp_path.glob("evaluation/*"), *tmp_path.glob("adversarial/*")]:
        path.unlink()
    for limit in (2, 5, 9):
        monkeypatch.setattr(column_attacks, "compile_attack", counted(limit))
        with pytest.raises(KeyboardInterrupt):
            run(evaluation(**options), *names)
    monkeypatch.setattr(column_attacks, "compile_attack", whole)
    assert run(evaluation(**options), *names) == expected
    if images_too:
        np.testing.assert_array_equal(np.load(kept)["images"], images)
