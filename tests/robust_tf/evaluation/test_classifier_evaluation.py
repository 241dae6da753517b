"""Columns, ensemble, worst case, stored results and images, on a network that is exact."""

import dataclasses
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.square import Square
from robust_tf.data.examples import Examples
from robust_tf.errors import RunError, UserError
from robust_tf.evaluation import classifier_evaluation as module
from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.evaluation.attack_column import Column, Substitute
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.results.cache import ResultsCache
from robust_tf.threat_model import ThreatModel

EAGER = pytest.mark.usefixtures("eager")

SIDE, COUNT = 4, 11
THREAT = ThreatModel(0.2)
SHORT = {
    "apgd-ce": lambda threat: APGD(threat, "ce", steps=5),
    "apgd-t": lambda threat: APGD(threat, "targeted-dlr", steps=5),
    "fab-t": lambda threat: FAB(threat, steps=5),
    "square": lambda threat: Square(threat, queries=5),
}
STANDARD = tuple(SHORT)


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
    return keras.Model(image, logits, name="threshold")


def examples(pixels=np.linspace(20, 235, COUNT), labels=None):
    images = np.full((len(pixels), SIDE, SIDE, 1), 127, np.uint8)
    images[:, 0, 0, 0] = pixels
    truth = (images[:, 0, 0, 0] > 127.5).astype(np.int32)
    return Examples(images, truth if labels is None else np.array(labels, np.int32))


@pytest.fixture
def data():
    """The first label is wrong."""
    found = examples()
    found.labels[0] = 1
    return found


@pytest.fixture
def evaluation(tmp_path, data):
    def evaluation(target=None, examples=data, weight=1.0, **options):
        options = {"batch_size": 4, "folder": tmp_path, "say": None, **options}
        target = target or network(weight=weight)
        return ClassifierEvaluation(target, examples, identity={"weight": weight}, **options)

    return evaluation


def columns(*names, threat_model=THREAT):
    found = []
    for name in names:
        members = STANDARD if name == "standard" else [name]
        ensemble = "standard" if name == "standard" else None
        for member in members:
            preset = None if member == "clean" else presets.get(member, threat_model)
            found.append(Column(member, preset, ensemble))
    return found


def run(evaluation, *names, threat_model=THREAT):
    evaluation.run(columns(*names, threat_model=threat_model))
    evaluation.add(evaluation.worst_case(threat_model))
    keys = [" after ".join([o.name, *o.after[-1:]]) for o in evaluation.outcomes]
    return dict(zip(keys, evaluation.outcomes, strict=True))


def counts(found):
    return {name: int(outcome.correct.sum()) for name, outcome in found.items()}


def expect_nothing_attacked(monkeypatch):
    def forbidden(self, column):
        def attack_batch(images, rows, keys):
            raise AssertionError("attacked again")

        return attack_batch

    monkeypatch.setattr(ClassifierEvaluation, "_compiled", forbidden)


@EAGER
def test_every_attack_runs_and_the_worst_case_is_below_all(evaluation):
    threat_model = ThreatModel(0.3, "l2")  # all other tests are in L-inf
    names = ["clean", "fgsm", "bim2", "mim2", "2pgd2", "cw2", *SHORT, "cleverhans-bim2"]
    found = run(evaluation(), *names, "standard", threat_model=threat_model)
    worst = found.pop("worst case")
    assert set(names) < found.keys() and worst.threat_model == threat_model
    together = np.logical_and.reduce([outcome.correct for outcome in found.values()])
    np.testing.assert_array_equal(worst.correct, together)
    assert worst.settings["over"] == sorted([*names, "standard"])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_named_attacks_move_the_threshold_by_eps(evaluation, data, jit_compile, request):
    """The network is linear in one pixel, so every attack moves it by exactly eps."""
    names = ["cw3", "2pgd3"]
    if not jit_compile:
        request.getfixturevalue("eager")
        names += ["fgsm", "bim3", "mim3"]
    found = run(evaluation(jit_compile=jit_compile, examples=examples()), *names)
    pixels = data.images[:, 0, 0, 0] / 255
    for name in names:
        np.testing.assert_array_equal(found[name].correct, np.abs(pixels - 0.5) > 0.2)


@EAGER
def test_neither_batch_size_nor_what_was_attacked_before_changes_an_image(evaluation):
    data = examples(np.linspace(60, 200, 40))
    whole = evaluation(folder=None, examples=data, batch_size=40).run(columns("3pgd2", "square"))
    parts = evaluation(folder=None, examples=data, batch_size=3)
    active = np.arange(40) % 3 > 0
    for column, outcome in zip(columns("3pgd2", "square"), whole, strict=True):
        np.testing.assert_array_equal(parts.correct(column, active), outcome.correct & active)
        np.testing.assert_array_equal(parts.correct(column), outcome.correct)
        assert 0 < outcome.correct.sum() < 40


def test_restarts_make_the_union_of_the_mispredictions(evaluation):
    data = examples(np.linspace(76, 178, 30))

    @dataclasses.dataclass(frozen=True)
    class Noise:
        """Restarts differ, nothing is ascended."""

        threat_model: ThreatModel = THREAT
        restarts: int = 3

        def perturb(self, logits_fn, x, y, key):
            return self.threat_model.random_start(x, key)

    column = Column("noise", presets.Preset("noise", Noise()))
    found = evaluation(examples=data, folder=None, seed=5).correct(column)
    keys = randomness.image_keys(5, "evaluation", tf.range(30))
    x, expected = tf.constant(data.images / np.float32(255)), np.ones(30, bool)
    for restart in range(3):
        own = randomness.fold_in(keys, restart) if restart else keys
        moved = THREAT.random_start(x, own)[:, 0, 0, 0]
        expected &= (moved > 0.5).numpy() == data.labels
        if restart == 0:
            once = expected.copy()
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected.sum() < once.sum() < 30
    other = evaluation(examples=data, folder=None, seed=6).correct(column)
    assert (other != found).any()


@EAGER
def test_an_ensemble_attacks_only_what_is_still_correct(evaluation, monkeypatch):
    shown, whole = [], module.attack_loop

    def recorded(function, examples, rows, **work):
        runs = whole(function, examples, rows, **work)
        shown.append((work["title"], rows, module.still_correct(runs, COUNT)))
        return runs

    monkeypatch.setattr(module, "attack_loop", recorded)
    found = run(evaluation(), "apgd-ce", "standard")
    shown.pop()  # clean images, of the worst case
    assert [name for name, *_ in shown] == ["apgd-ce", "clean", *STANDARD]
    assert len(shown[0][1]) == COUNT, "alone it attacks all images"
    for (*_, before), (_, rows, _) in zip(shown[1:], shown[2:]):
        np.testing.assert_array_equal(rows, np.flatnonzero(before))
    chain = ("clean", *STANDARD)
    for place, name in enumerate(STANDARD, start=1):
        member = found[f"{name} after {chain[place - 1]}"]
        assert member.after == chain[:place]
        np.testing.assert_array_equal(member.correct, shown[place + 1][2])
    np.testing.assert_array_equal(found["standard"].correct, shown[-1][2])
    assert found["standard"].settings == {"members": list(STANDARD)}


def test_an_attack_without_an_image_left_is_not_called_stored(evaluation):
    said = []
    found = run(evaluation(say=said.append), "standard", threat_model=ThreatModel(0.9))
    assert counts(found)["standard"] == 0
    assert "square: no image is left to attack" in said and "stored" not in str(said)


@EAGER
def test_stored_results_are_used_whatever_the_batches(evaluation, monkeypatch):
    names, said = ["fgsm", "2pgd2", "standard"], []
    first = counts(run(evaluation(), *names))
    with monkeypatch.context() as patch:
        expect_nothing_attacked(patch)
        assert counts(run(evaluation(batch_size=3, say=said.append), *names)) == first
        assert any(line.startswith("2pgd2: stored (") for line in said)
        for changed in ({"fresh": True}, {"weight": 1.5}):
            with pytest.raises(AssertionError, match="attacked again"):
                run(evaluation(**changed), *names)
        with pytest.raises(AssertionError, match="attacked again"):
            run(evaluation(), *names, threat_model=ThreatModel(0.21))


def test_one_name_with_two_radii_is_two_attacks(evaluation):
    """Also within one evaluation, which keeps what it has measured."""
    tested = evaluation(folder=None)
    small, large = (presets.get("pgd2", ThreatModel(eps)) for eps in (0.02, 0.3))
    first, second = (tested.correct(Column("pgd2", preset)) for preset in (small, large))
    assert first.sum() > second.sum()


def test_what_is_stored_is_known(evaluation):
    column, other = columns("pgd2", "2pgd2")
    tested = evaluation()
    tested.correct(column, np.arange(COUNT) < 5)
    assert not tested.is_stored(column)
    tested.correct(column)
    assert evaluation().is_stored(column) and not evaluation().is_stored(other)


def test_transfer_shows_the_images_of_the_substitute(evaluation):
    others = {f"pixel{p}": Substitute(network(p), f"hash{p}") for p in (0, 5)}
    preset = presets.get("bim2", THREAT)
    tested = evaluation(substitutes=others)
    same, blind = (Column(f"from {name}", preset, substitute=name) for name in others)
    own = tested.correct(Column("bim2", preset))
    np.testing.assert_array_equal(tested.correct(same), own)
    assert own.sum() < COUNT - 1
    assert tested.correct(blind).sum() == COUNT - 1, "moving another pixel harms nothing"
    tested.run([same])
    assert tested.outcomes[-1].settings["substitute"] == "hash0"


def test_images_are_on_the_disk_before_the_cache_knows_them(tmp_path, monkeypatch):
    """After a power loss, too, no image is taken for known that is all zeros."""
    synced = []
    monkeypatch.setattr(
        "os.fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}").split(".")[-1])
    )
    kept = AdversarialImages(tmp_path / "fgsm.npz", {}, (2, 1, 1, 1))
    kept.cache = ResultsCache(2, tmp_path, {})
    outputs = {"image": np.ones([1, 1, 1, 1], np.float32), "correct": np.array([True])}
    kept.add(0, np.array([1]), outputs)
    assert synced == ["partial", "jsonl"]


@EAGER
def test_adversarial_images_are_kept_and_shown_again(evaluation, data, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "STANDARD", ("apgd-ce", "square"))  # quick to trace
    keep, said = {"save_adversarial": True}, []
    names = ["2pgd2", "standard"]
    first = run(evaluation(**keep), *names)
    with np.load(tmp_path / "adversarial/2pgd2.npz") as stored:
        images, attacked = stored["images"], stored["attacked"]
        assert json.loads(str(stored["identity"]))["weight"] == 1.0
    assert images.dtype == np.float32 and attacked.all()
    clean = tf.constant(data.images / np.float32(255))
    assert THREAT.contains(tf.constant(images), clean).numpy().all()
    right = np.argmax(network()(images), 1) == data.labels
    np.testing.assert_array_equal(right, first["2pgd2"].correct)
    assert (tmp_path / "adversarial/standard-square.npz").exists()
    assert not list(tmp_path.glob("adversarial/*.partial"))
    with monkeypatch.context() as patch:
        expect_nothing_attacked(patch)
        assert counts(run(evaluation(**keep, say=said.append), *names)) == counts(first)
        assert "2pgd2.npz" in str(said)
    kept = evaluation(**keep)._stored.adversarial(*columns("2pgd2"))
    assert kept.complete and "images" not in vars(kept), "read before they are attacked"
    with pytest.raises(UserError, match="2pgd2.npz was made with another weight"):
        run(evaluation(weight=2.0, **keep), *names)
    with pytest.raises(UserError, match="threat_model"):
        run(evaluation(**keep), *names, threat_model=ThreatModel(0.1))
    run(evaluation(weight=2.0, fresh=True, **keep), *names)


@pytest.mark.parametrize("images_too", [False, True])
@EAGER
def test_an_interrupted_evaluation_goes_on(evaluation, tmp_path, monkeypatch, images_too):
    whole, calls = ClassifierEvaluation._compiled, []

    class Limited(CompiledBatch):
        """Interrupts when it is called once too often."""

        def __init__(self, compiled, limit):
            self.compiled, self.limit, self.any_size = compiled, limit, compiled.any_size

        def __call__(self, *batch):
            if len(calls) == self.limit:
                raise KeyboardInterrupt
            calls.append(batch)
            return self.compiled(*batch)

    monkeypatch.setitem(globals(), "STANDARD", ("apgd-ce", "square"))  # quick to trace
    names = ["3pgd2", "standard"]
    options = {"save_adversarial": images_too}
    expected = counts(run(evaluation(**options), *names))
    kept = tmp_path / "adversarial/3pgd2.npz"
    images = np.load(kept)["images"] if images_too else None
    for path in [*tmp_path.glob("evaluation/*"), *tmp_path.glob("adversarial/*")]:
        path.unlink()
    for limit in (2, 5, 9):
        with monkeypatch.context() as patch:
            made = lambda *args: Limited(whole(*args), limit)  # noqa: B023, E731
            patch.setattr(ClassifierEvaluation, "_compiled", made)
            with pytest.raises(KeyboardInterrupt):
                run(evaluation(**options), *names)
    assert counts(run(evaluation(**options), *names)) == expected
    if images_too:
        np.testing.assert_array_equal(np.load(kept)["images"], images)


def test_a_batch_is_no_larger_than_the_images_unless_the_network_asks_for_it(evaluation):
    shapes = []

    def logits_fn(images):
        shapes.append(images.shape[0])
        return tf.stack([images[:, 0, 0, 0] * k for k in range(-2, 2)], axis=1)

    evaluation(logits_fn, batch_size=250).correct(Column("clean"))
    # One trace for batches of every size, and the free checks.
    assert max(filter(None, shapes)) == COUNT and shapes.count(None) == 1
    evaluation(logits_fn, batch_size=25, fixed_size=True, fresh=True).correct(Column("clean"))
    assert set(shapes[-4:]) == {25}


def test_the_network_runs_in_inference_mode(evaluation, data):
    image = keras.Input((SIDE, SIDE, 1), name="image")
    features = keras.layers.Flatten()(keras.layers.BatchNormalization()(image))
    normalised = keras.Model(image, keras.layers.Dense(2)(features))
    before = [weight.numpy() for weight in normalised.weights]
    evaluation(lambda x: normalised(x, training=False)).run(columns("pgd2"))
    for weight, old in zip(normalised.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_logits_that_are_not_finite_are_named(evaluation):
    broken = network()
    broken.get_layer("logits").bias.assign([np.nan, 0])
    with pytest.raises(RunError, match="fgsm: outputs of the network are not finite"):
        evaluation(broken).run(columns("fgsm"))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (4, []),
        (3, ["apgd-t: ascends the DLR; 3 classes are too few for the targeted DLR"]),
        (2, ["apgd-t: ascends the margin; 2 classes are too few for the targeted DLR"]),
    ],
)
def test_a_loss_for_few_classes_is_said(evaluation, classes, said):
    def logits_fn(images):
        return tf.stack([8 * images[:, 0, 0, 0] * k for k in range(classes)], axis=1)

    tested = evaluation(logits_fn)
    found = [line for line in tested._remarks(columns("pgd2", "standard")) if "ascends" in line]
    assert found == said
