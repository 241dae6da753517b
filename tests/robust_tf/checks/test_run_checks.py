"""The checks bite on networks and attacks made to fool them, and pass on an honest one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.presets import Preset
from robust_tf.checks.run_checks import CheckRun, classifier_probe, three_passes, unbounded
from robust_tf.data.examples import Examples
from robust_tf.evaluation.attack_column import Column
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.threat_model import ThreatModel

SIDE, CLASSES, COUNT = 5, 4, 102
THREAT = ThreatModel(0.05)


def classifier(before=lambda x: x, after=lambda x: x, scale=4.0):
    """Classes are told apart by the mean of their stripes; linear but for what is put around it."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    embedding = keras.layers.Flatten()(before(image))
    head = keras.layers.Dense(CLASSES, name="head")
    logits = after(head(embedding))
    network = keras.Model(image, {"logits": logits, "embedding": embedding})
    kernel = np.zeros([SIDE * SIDE, CLASSES], np.float32)
    for pixel in range(SIDE * SIDE):
        kernel[pixel, pixel % CLASSES] = scale
    head.set_weights([kernel, np.zeros(CLASSES, np.float32)])
    return network


def examples():
    """Some images well inside their class, some near its boundary."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, COUNT)
    images = random.uniform(0.35, 0.4, [COUNT, SIDE * SIDE])
    for image, label, lead in zip(images, labels, np.linspace(0.05, 0.25, COUNT)):
        image[label::CLASSES] += lead + 0.05 * (label > 0)
    images = images.reshape(-1, SIDE, SIDE, 1).astype(np.float32)
    labels = np.argmax(classifier()(images)["logits"], axis=1)
    return Examples(images, labels)


def evaluation(network, data=None, **options):
    def logits_fn(images):
        return network(images, training=False)["logits"]

    options = {"batch_size": 16, "say": None, **options}
    return ClassifierEvaluation(logits_fn, examples() if data is None else data, **options)


def check_run(network, attack=None, undefended=None, measured=None, **options):
    """`measured`: function `Preset` -> bool [n] that takes the place of an attack, or None."""
    attack = attack or PGD(THREAT, 10, random_start=True)
    tested = evaluation(network)
    run = CheckRun(
        tested,
        COUNT,
        Preset("claim", attack),
        embedding_fn=lambda images: network(images, training=False)["embedding"],
        undefended_fn=undefended and evaluation(undefended).logits_fn,
        **{"queries": 40, **options},
    )
    whole = run.evaluation.correct

    def correct(column, active):
        found = None if measured is None else measured(column.preset)
        return whole(column, active) if found is None else found & active

    run.evaluation.correct = correct
    return run


def statuses(*args, **options):
    return {check.name: check.status for check in check_run(*args, **options).run()}


def only(*names):
    """Takes all other attacks for measured, without success: to trace them takes a second each."""
    return lambda preset: None if preset.name in names else np.ones(COUNT, bool)


def layer(function):
    return keras.layers.Lambda(function)


def test_a_look_at_a_network_makes_tensorflow_warn_of_nothing(caplog):
    classifier_probe(evaluation(classifier()), np.arange(COUNT)).outputs()
    assert not caplog.records


def test_an_honest_network_passes():
    found = statuses(classifier())
    assert found.pop("undefended network falls") == "amber"
    assert set(found.values()) == {"green"}, found
    assert len(found) == 15


def test_l2():
    attack = PGD(ThreatModel(0.2, "l2"), 10, random_start=True)
    found = statuses(classifier(), attack)
    assert "red" not in found.values(), found


@pytest.mark.parametrize("norm, eps", [("linf", 0.5), ("l2", 0.5 * 48**0.5)])
def test_an_unbounded_attack_reaches_the_grey_image(norm, eps):
    pgd = PGD(ThreatModel(2.0, norm), 10, 0.5)
    wide = PGD(steps=10, **unbounded(pgd, (4, 4, 3)))
    assert (wide.threat_model.norm, wide.threat_model.eps) == (norm, pytest.approx(eps))
    assert wide.step_size == pytest.approx(0.25 * eps)
    black, grey = tf.zeros([1, 4, 4, 3]), tf.fill([1, 4, 4, 3], 0.5)
    assert wide.threat_model.contains(grey, black) and wide.threat_model.contains(grey, 1 - black)


@pytest.mark.parametrize(
    "network, attacks, names",
    [
        (lambda: classifier(after=keras.layers.Softmax()), [], ["outputs are logits"]),
        (
            lambda: classifier(before=layer(lambda x: tf.round(x * 32) / 32)),
            ["pgd10", "square", "pgd10 unbounded"],
            [
                *("input gradients", "white box beats black box", "unbounded attack succeeds"),
                "one attack is close to all",
            ],
        ),
        (
            lambda: classifier(
                after=layer(lambda z: z + tf.random.normal(tf.shape(z), stddev=0.1))
            ),
            [],
            ["forward pass is deterministic"],
        ),
        (
            lambda: classifier(scale=4e4),
            ["pgd10", "apgd-ce", "apgd-dlr"],
            ["input gradients", "losses agree"],
        ),
    ],
    ids=["softmax", "quantised inputs", "randomised", "huge logits"],
)
def test_a_masked_network_is_caught(network, attacks, names):
    found = statuses(network(), measured=only(*attacks))
    assert all(found[name] == "red" for name in names), found


def test_one_tiny_step_is_caught():
    attacks = only("bim1", "fgsm", "bim1 unbounded", "apgd-ce")
    found = statuses(
        classifier(), PGD(THREAT, 1, THREAT.eps / 100, random_start=False), measured=attacks
    )
    caught = ("iterated attack beats one step", "unbounded attack succeeds", "fixed steps suffice")
    for name in caught:
        assert found[name] == "red", found


def test_an_undefended_network_that_withstands_the_attack_is_red():
    found = statuses(classifier(), undefended=classifier(), measured=only())
    assert found["undefended network falls"] == "red"


def test_every_check_looks_at_all_images():
    """The last image, in the last batch, is the one with a zero gradient."""
    data = examples()
    data.images[-1] = 0.9
    flat = classifier(before=layer(lambda x: tf.where(x > 0.8, tf.round(x), x)))
    probe = classifier_probe(evaluation(flat, data), np.arange(COUNT))
    assert np.flatnonzero(probe.gradient_norms() == 0).tolist() == [COUNT - 1]
    faint = classifier_probe(evaluation(classifier(after=layer(lambda z: 1e-30 * z - 2))), [0, 1])
    assert faint.gradient_norms().min() > 0
    first, second, other = three_passes(probe)
    np.testing.assert_allclose(first, flat(data.images)["logits"], rtol=1e-5)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, other, rtol=1e-5)


@pytest.mark.parametrize(
    "rows, random_start", [(np.arange(COUNT), False), (np.arange(0, COUNT, 3), True)]
)
def test_the_trajectory_is_that_of_the_evaluation(rows, random_start):
    network, data = classifier(), examples()
    attack = PGD(THREAT, 4, 0.02, random_start=random_start)
    tested = evaluation(network, data, batch_size=20, seed=3)
    expected = tested.correct(Column("claim", Preset("claim", attack)))[rows]
    right, distances, lowest, highest = classifier_probe(tested, rows).trajectory(attack)
    assert right.shape == (4, len(rows)) and 0 < right[-1].sum() < right[0].sum()
    np.testing.assert_array_equal(right[-1], expected)
    assert THREAT.eps - 1e-6 < distances.max() <= THREAT.eps + 1e-6
    assert data.images.min() - THREAT.eps - 1e-6 <= lowest < highest


def test_a_rounded_claim_is_checked_with_rounded_attacks():
    names = []

    def measured(preset):
        names.append(preset.name)
        assert preset.rounded
        return np.zeros(COUNT, bool)

    run = check_run(classifier(), measured=measured)
    run.claim = Preset("pgd3-rounded", PGD(THREAT, 3), rounded=True)
    run.run()
    assert "20pgd10-rounded" in names and all(name.endswith("-rounded") for name in names)


def test_the_checks_look_at_every_class_of_sorted_data():
    labels = np.repeat(np.arange(CLASSES), 60)
    data = Examples(np.zeros([len(labels), SIDE, SIDE, 1], np.float32), labels.astype(np.int32))
    run = CheckRun(evaluation(classifier(), data), 100, Preset("claim", PGD(THREAT)), queries=1)
    assert np.bincount(labels[run.rows]).tolist() == [25] * CLASSES
    counted = []
    run.evaluation.correct = lambda column, chosen: counted.append(chosen) or chosen
    assert run._accuracy(run.claim, np.arange(100) % 2 == 0).sum() == 50
    assert np.flatnonzero(counted[0]).tolist() == run.rows[::2].tolist()


def test_few_images_make_no_check_green():
    run = check_run(classifier(), measured=only())
    run.rows = np.arange(99)
    found = run.run()
    assert all(check.status != "green" for check in found)
    assert any("too few: 99 images of at least 100" in check.figure for check in found)
