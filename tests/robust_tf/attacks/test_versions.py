"""What the further versions of AutoAttack add: order of targets, starts, EOT, all classes."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.auto_attack import MEMBERS, VERSIONS
from robust_tf.attacks.expectation import EOT, mean_logits
from robust_tf.attacks.nearest_classes import nearest_classes
from robust_tf.attacks.objectives import correct
from robust_tf.attacks.output_diversified_start import output_diversified_start
from robust_tf.results.attack_settings import attack_settings
from robust_tf.threat_model import ThreatModel

BALL = ThreatModel(0.1)


@pytest.mark.parametrize("norm, order", [("linf", 1), ("l2", 2)])
def test_nearest_classes_by_the_distance_to_their_boundaries(norm, order):
    draw = np.random.default_rng(0)
    weights = draw.normal(size=(16, 5)) * np.array([1, 1, 3, 0.2, 1])
    images = tf.constant(draw.random((6, 4, 4, 1)), tf.float32)
    flat = images.numpy().reshape(6, 16)
    scores = flat @ weights.astype("float32")
    labels = scores.argmax(1)
    others = np.array([[c for c in range(5) if c != y] for y in labels], np.int32)
    found = nearest_classes(
        lambda x: tf.reshape(x, [-1, 16]) @ weights.astype("float32"),
        images,
        tf.constant(labels, tf.int32),
        tf.constant(others),
        2,
        ThreatModel(0.1, norm),
    )
    for row, y in enumerate(labels):
        far = {
            c: (scores[row, y] - scores[row, c])
            / np.linalg.norm(weights[:, y] - weights[:, c], order)
            for c in others[row]
        }
        assert list(found[row].numpy()) == sorted(far, key=far.get)[:2]


def test_diversified_starts_stay_in_ball_and_box_and_differ_in_the_outputs(classifier):
    logits_fn, x, labels = classifier("float64", classes=10)
    keys = [randomness.image_keys(seed, "test", tf.range(8)) for seed in range(2)]
    starts = [output_diversified_start(logits_fn, x, labels, 10, BALL, key) for key in keys]
    plain = [BALL.random_start(x, key) for key in keys]
    for start in starts:
        assert np.all(BALL.contains(start, x))
    apart = [np.linalg.norm(logits_fn(a) - logits_fn(b), axis=1).mean() for a, b in (starts, plain)]
    assert apart[0] > 2 * apart[1]


def test_mean_logits_and_their_gradient_are_those_of_many_passes():
    x, numbers = tf.constant([[1.0, 2.0]]), tf.Variable(0.0)

    def logits_fn(images):
        return images * numbers.assign_add(1.0)

    @tf.function(autograph=False)
    def run():
        numbers.assign(0.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            mean = mean_logits(logits_fn, 4)(x)
        return mean, tape.gradient(mean, x)

    mean, gradient = run()
    np.testing.assert_allclose(mean, 2.5 * x)
    np.testing.assert_allclose(gradient, [[2.5, 2.5]])


def test_eot_fools_a_noisy_network_more_often_than_one_pass(classifier):
    logits_fn, *_ = classifier(classes=4, seed=3)
    x = tf.random.stateless_uniform([64, 4, 4, 1], [0, 0])
    labels = tf.argmax(logits_fn(x), axis=1)

    def noisy(images):
        return logits_fn(images + tf.random.normal(tf.shape(images), 0, 0.3))

    one, key = APGD(BALL, "ce", steps=10), randomness.key(0, 0, "test")
    left = []
    for attack in (one, EOT(BALL, attack=one, passes=10)):
        tf.random.set_seed(0)
        found = attack.perturb(noisy, x, labels, key)
        assert np.all(BALL.contains(found, x))
        left.append(np.sum(correct(logits_fn(found), labels)))
    assert left[1] < left[0] - 5


def test_eot_in_a_smaller_ball_attacks_there():
    with pytest.raises(ValueError, match="EOT attacks with its attack, in linf eps=0.01"):
        EOT(BALL, attack=APGD(eps=0.01))
    smaller = EOT(BALL, attack=APGD(BALL, "dlr", steps=10)).scaled(0.5)
    assert smaller.threat_model.eps == smaller.attack.threat_model.eps == 0.05


@pytest.mark.parametrize("name", ["apgd-t-all", "multi-targeted"])
def test_all_classes_are_targets(name, classifier):
    logits_fn, x, labels = classifier(classes=14)
    attack = MEMBERS[name](BALL)
    few = type(attack)(BALL, attack.loss, steps=3, targets=13)
    every = type(attack)(BALL, attack.loss, steps=3, targets=attack.targets)
    key = randomness.image_keys(0, "test", tf.range(8))
    np.testing.assert_array_equal(*(a.perturb(logits_fn, x, labels, key) for a in (few, every)))
    assert attack.targets >= 13  # the default takes nine


def test_every_version_names_known_members_and_old_settings_stay():
    for version, names in VERSIONS.items():
        presets_ = [presets.get(name, BALL) for name in names]
        assert [preset.name for preset in presets_] == list(names), version
    assert presets.get("5apgd-ce", BALL).restarts == 5
    # Results that were stored before these settings existed are found again.
    assert set(attack_settings(presets.get("apgd-ce", BALL), 10)) == {
        *("loss", "steps", "targets", "rho")
    }
    assert "targeted" not in attack_settings(presets.get("fab-t", BALL), 10)
    assert attack_settings(presets.get("5apgd-ce", BALL), 10)["restarts"] == 5
    assert "restarts" not in str(presets.get("apgd-t", BALL).attack)
