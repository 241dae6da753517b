"""The checks bite on networks and attacks made to fool them, and pass on an honest one."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.presets import Preset
from robust_tf.checks.network_probe import NetworkProbe
from robust_tf.checks.run_checks import CheckRun
from robust_tf.data.examples import Examples
from robust_tf.evaluation.robust_accuracy import correct_predictions
from robust_tf.threat_model import ThreatModel

SIDE, CLASSES, COUNT = 5, 4, 48
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


def measured(network):
    settings = {"batch_size": 16, "seed": 0, "progress": False}
    return functools.partial(correct_predictions, network, examples(), **settings)


def check_run(network, attack=None, undefended=None, **options):
    attack = attack or PGD(THREAT, 10, random_start=True)
    return CheckRun(
        network,
        examples(),
        Preset("claim", attack),
        options.pop("measure", measured(network)),
        undefended=undefended and measured(undefended),
        **{"queries": 40, "batch_size": 16, "seed": 0, **options},
    )


def statuses(*args, **options):
    return {check.name: check.status for check in check_run(*args, **options).run()}


def only(*names):
    """Takes all other attacks for measured, without success: to trace them takes a second each."""
    return lambda preset: None if preset.name in names else np.ones(COUNT, bool)


def layer(function):
    return keras.layers.Lambda(function)


def test_an_honest_network_passes():
    found = statuses(classifier())
    assert found.pop("undefended network falls") == "amber"
    assert set(found.values()) == {"green"}, found
    assert len(found) == 15


def test_l2():
    attack = PGD(ThreatModel(0.2, "l2"), 10, random_start=True)
    found = statuses(classifier(), attack)
    assert "red" not in found.values(), found


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
    found = statuses(network(), stored=only(*attacks))
    assert all(found[name] == "red" for name in names), found


def test_one_tiny_step_is_caught():
    attacks = only("bim1", "fgsm", "bim1 unbounded", "apgd-ce")
    found = statuses(
        classifier(), PGD(THREAT, 1, THREAT.eps / 100, random_start=False), stored=attacks
    )
    caught = ("iterated attack beats one step", "unbounded attack succeeds", "fixed steps suffice")
    for name in caught:
        assert found[name] == "red", found


def test_an_undefended_network_that_withstands_the_attack_is_red():
    found = statuses(classifier(), undefended=classifier(), stored=only())
    assert found["undefended network falls"] == "red"


def test_every_check_looks_at_all_images():
    """The last of 48 images, in the third batch, is the one with a zero gradient."""
    data = examples()
    data.images[-1] = 0.9
    flat = classifier(before=layer(lambda x: tf.where(x > 0.8, tf.round(x), x)))
    probe = NetworkProbe(flat, data, 16)
    assert np.flatnonzero(probe.gradient_norms() == 0).tolist() == [COUNT - 1]
    first, second = probe.outputs()
    np.testing.assert_allclose(first, flat(data.images)["logits"], rtol=1e-5)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("batch_size", [COUNT, 32])
def test_the_trajectory_with_a_random_start_is_that_of_the_evaluation(batch_size):
    """Also where the evaluation shows more images together, of a longer list."""
    network, data, attack = classifier(), examples(), PGD(THREAT, 2, 0.01, random_start=True)
    preset, whole = Preset("claim", attack), {"batch_size": COUNT, "seed": 3}
    expected = correct_predictions(network, data, preset, progress=False, **whole)[:batch_size]
    part = data.take(batch_size)
    right = NetworkProbe(network, part, batch_size).trajectory(attack, 3)[0]
    np.testing.assert_array_equal(right[-1], expected)
    assert (NetworkProbe(network, part, batch_size).trajectory(attack, 4)[0][-1] != expected).any()


@pytest.mark.parametrize("batch_size", [COUNT, 20])
def test_the_trajectory_is_that_of_the_attack(batch_size):
    """Without a random start it ends where the attack ends, whatever the size of the batches."""
    network, data, attack = classifier(), examples(), PGD(THREAT, 4, 0.02, random_start=False)
    right, distances, lowest, highest = NetworkProbe(network, data, batch_size).trajectory(
        attack, 0
    )
    assert right.shape == (4, COUNT)
    expected = measured(network)(Preset("claim", attack))
    np.testing.assert_array_equal(right[-1], expected)
    assert 0 < right[-1].sum() < right[0].sum()
    x = tf.constant(data.images)
    x_adv = attack.ascend(CrossEntropy(lambda x: network(x)["logits"], data.labels), x)
    np.testing.assert_allclose(distances, THREAT.distance(x_adv, x), atol=1e-7)
    np.testing.assert_allclose([lowest, highest], [np.min(x_adv), np.max(x_adv)], atol=1e-7)


def test_what_is_stored_is_not_measured_again():
    network, asked = classifier(), []

    def measure(preset, standing=None):
        asked.append(preset.name)
        return measured(network)(preset, standing=standing)

    def stored(preset):
        known = {"20pgd10": 0, "fgsm": 20, "pgd10": COUNT}
        return np.arange(COUNT) < known[preset.name] if preset.name in known else None

    found = {c.name: c for c in check_run(network, measure=measure, stored=stored).run()}
    assert sorted(asked) == sorted(
        ["pgd20", "apgd-ce", "apgd-dlr", "square", "embedding", "pgd10 unbounded"]
        + [f"pgd10 at {factor:g} eps" for factor in (0, 0.5, 2, 4)]
    )
    assert found["iterated attack beats one step"].figure == "FGSM 41.67 %, iterated 100.00 %"
    restarts = found["restarts"]
    assert restarts.status == "amber" and "is measured and stored" in restarts.advice


def test_a_rounded_claim_is_checked_with_rounded_attacks():
    names = []

    def measure(preset, standing=None):
        names.append(preset.name)
        assert preset.rounded
        return np.zeros(COUNT, bool)

    claim = Preset("pgd3-rounded", PGD(THREAT, 3), rounded=True)
    settings = {"queries": 4, "undefended": None, "batch_size": 16, "seed": 0}
    CheckRun(classifier(), examples(), claim, measure, **settings).run()
    assert "20pgd3-rounded" in names and all(name.endswith("-rounded") for name in names)
