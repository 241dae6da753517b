"""The attack that knows the detector: never weaker than the attack itself, harder to detect."""

import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import presets
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.pgd import PGD
from robust_tf.results.attack_settings import attack_settings
from robust_tf.threat_model import ThreatModel
from tla_tf.analysis.detector_attack import WEIGHTS, DetectorAttack, UndetectedLoss, detector_preset
from tla_tf.analysis.mixture_detection import MixtureDetector, MixtureScore, detection_roc


def network(images, training):
    """The pixels, scaled, are the embedding; its first entry decides between two classes."""
    assert training is False
    embedding = 8.0 * (images - 0.5)
    return {"embedding": embedding, "logits": tf.stack([-embedding[:, 0], embedding[:, 0]], 1)}


@pytest.fixture(scope="module")
def images():
    """(images [60, 2], labels), class 0 around (0.4, 0.3), class 1 around (0.6, 0.7)."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    centres = np.array([[0.4, 0.3], [0.6, 0.7]])[labels]
    noise = rng.normal(size=(60, 2)) * [0.05, 0.05]
    return tf.constant(np.clip(centres + noise, 0, 1), tf.float32), labels


@pytest.fixture(scope="module")
def detector(images):
    return MixtureDetector(network(images[0], False)["embedding"].numpy(), images[1], "full")


def attack(preset, images):
    def logits_fn(x):
        return network(x, training=False)["logits"]

    return preset.single_run().perturb(logits_fn, *images, randomness.key(0, 0, "test"))


def outcome(x, labels, detector):
    outputs = network(x, False)
    wrong = np.argmax(outputs["logits"], axis=1) != labels
    return wrong, detector.scores(outputs["embedding"].numpy())


@pytest.fixture(scope="module")
def attacked(images, detector):
    """Returns the function (name, *, hide_correct) -> attacked images, each made once.

    Without `hide_correct` the attack does not know the detector.
    """

    @functools.cache
    def attacked(name, **known):
        plain = presets.get(name, ThreatModel(0.15))
        return attack(
            detector_preset(plain, network, detector, **known) if known else plain, images
        )

    return attacked


@pytest.fixture(scope="module", params=["pgd10", "cw10", "mim10"])
def pair(request, attacked):
    """(attacked images, those of the attack that knows the detector)."""
    return attacked(request.param), attacked(request.param, hide_correct=False)


def test_it_stays_in_the_ball_and_is_never_the_weaker_attack(pair, images, detector):
    plain, adaptive = pair
    assert ThreatModel(0.15).contains(adaptive, images[0]).numpy().all()
    wrong, density = outcome(plain, images[1], detector)
    adaptive_wrong, adaptive_density = outcome(adaptive, images[1], detector)
    assert (adaptive_wrong | ~wrong).all()
    assert (adaptive_density[wrong] >= density[wrong] - 1e-4).all()
    assert adaptive_density[wrong].mean() > density[wrong].mean()


def test_an_image_that_is_never_misclassified_keeps_that_of_the_attack_itself(
    pair, images, detector
):
    plain, adaptive = pair
    standing = ~outcome(adaptive, images[1], detector)[0]
    assert 0 < standing.sum() < len(standing)
    np.testing.assert_array_equal(adaptive[standing], plain[standing])


def test_images_that_stay_correct_hide_too_if_they_are_to(attacked, images, detector):
    (wrong, density), (hiding_wrong, hiding_density) = (
        outcome(attacked("pgd10", hide_correct=hide), images[1], detector) for hide in (False, True)
    )
    np.testing.assert_array_equal(hiding_wrong, wrong)
    np.testing.assert_array_equal(hiding_density[wrong], density[wrong])
    assert (hiding_density[~wrong] >= density[~wrong] - 1e-4).all()
    assert hiding_density[~wrong].mean() > density[~wrong].mean() + 0.1


def test_the_area_under_the_curve_falls(pair, images, detector):
    areas = []
    natural_wrong, natural_density = outcome(images[0], images[1], detector)
    for attacked in pair:
        wrong, density = outcome(attacked, images[1], detector)
        wrong = np.concatenate([natural_wrong, wrong])
        areas.append(detection_roc(np.concatenate([natural_density, density]), wrong)[2])
    assert areas[1] < areas[0] - 0.005


def test_weight_zero_is_the_attack_itself(attacked, images, detector):
    loss = UndetectedLoss(network, MixtureScore(detector), CrossEntropy, images[1])
    key = randomness.key(0, 0, "test")
    found = DetectorAttack(ThreatModel(0.15), 10, weights=(0.0,)).ascend(loss, images[0], key=key)
    np.testing.assert_array_equal(found, attacked("pgd10"))


def test_joint_loss_by_hand(detector):
    x = tf.constant([[0.55, 0.3], [0.45, 0.3]])  # embeddings (0.4, -1.6), (-0.4, -1.6)
    loss = UndetectedLoss(network, MixtureScore(detector), zero, [0, 0])
    c = detector.scores([[0.4, -1.6], [-0.4, -1.6]])
    # Margins of label 0: -0.8, beyond the lead 0.5, and 0.8.
    expected = np.array([0.5, -0.8]) + 0.3 * c / 2
    np.testing.assert_allclose(loss.weighted(tf.constant(0.3))(x), expected, rtol=1e-4)


def zero(logits_fn, labels):
    return lambda outputs: tf.zeros(len(labels))


def test_settings_are_json_and_another_attack_is_replaced_by_pgd20(detector):
    preset = detector_preset(presets.get("square", ThreatModel(0.1)), network, detector)
    assert preset.name == "pgd20 knowing the detector" and isinstance(preset.attack, PGD)
    settings = json.loads(json.dumps(attack_settings(preset, 10)))
    assert settings["steps"] == 20 and settings["weights"] == list(WEIGHTS)
