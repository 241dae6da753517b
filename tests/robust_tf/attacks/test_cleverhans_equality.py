"""Our loop against cleverhans, after 1, 2, 3 and 5 steps."""

import numpy as np
import pytest
import tensorflow as tf
from forked import ran

from robust_tf import randomness
from robust_tf.attacks import presets
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.objectives import correct, margin
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel

# The L2 ball is small against the distance of the pixels from the box (see `images`).
THREATS = {"linf": ThreatModel(0.1), "l2": ThreatModel(0.2, "l2")}
STEP_SIZES = {"linf": 0.03, "l2": 0.07}
# cleverhans' MIM has decay 1 and divides each image's gradient by its mean absolute value, that is
# by its L1 norm over the number of pixels. Its momentum is therefore that of our l1 form times the
# number of pixels, and a positive factor changes neither sign(g) nor g / ||g||_2.
MOMENTUM = {"pgd": None, "bim": None, "mim": Momentum(1.0, "l1")}
KEY = randomness.key(0, 0, "test")
BOTH_NORMS = pytest.mark.parametrize("norm", THREATS)


@pytest.fixture
def network(classifier):
    logits_fn, _, labels = classifier()
    return logits_fn, labels


def images(norm):
    """Eight images; under L2 their pixels keep clear of the box.

    There cleverhans clips to the box before it projects on the ball, too. Under L-inf that makes no
    difference.
    """
    x = np.random.default_rng(1).random((8, 4, 4, 1))
    return tf.constant(0.3 + 0.4 * x if norm == "l2" else x, tf.float32)


@BOTH_NORMS
def test_fgsm(norm, network):
    logits_fn, labels = network
    x = images(norm)
    theirs = CleverhansAttack(THREATS[norm], "fgm").perturb(logits_fn, x, labels)
    ours = presets.get("fgsm", THREATS[norm]).perturb(logits_fn, x, labels, None)
    assert np.max(np.abs(ours - x)) > 0.05
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@BOTH_NORMS
@pytest.mark.parametrize("name", MOMENTUM)
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_iterative(name, norm, steps, network):
    logits_fn, labels = network
    x, size = images(norm), STEP_SIZES[norm]
    theirs = CleverhansAttack(THREATS[norm], name, steps, size).perturb(logits_fn, x, labels, KEY)
    start = {"random_start": name == "pgd"}
    ours = PGD(THREATS[norm], steps, size, momentum=MOMENTUM[name], **start)
    np.testing.assert_allclose(ours.perturb(logits_fn, x, labels, KEY), theirs, atol=1e-6)
    if norm == "linf":
        assert np.any(np.isin(theirs, (0.0, 1.0)))  # the box was reached


@BOTH_NORMS
@pytest.mark.parametrize("name", ["pgd", "madry"])
def test_random_starts_follow_the_keys_of_the_images(name, norm, network):
    logits_fn, labels = network
    x, attack = images(norm), CleverhansAttack(THREATS[norm], name, 2, 1e-6)
    keys = randomness.image_keys(0, "test", tf.range(8))
    moved = attack.perturb(logits_fn, x, labels, keys)
    assert np.all(THREATS[norm].contains(moved, x)) and np.max(np.abs(moved - x)) > 0.05
    part = attack.perturb(logits_fn, x[3:5], labels[3:5], keys[3:5])
    np.testing.assert_allclose(part, moved[3:5], atol=1e-5)
    if name == "madry" and norm == "linf":
        # Of a start in [-0.3, 0.3] two thirds are clipped to the faces of the ball of 0.1.
        share = np.mean(np.abs(moved - x) > 0.0999)
        assert 0.5 < share < 0.8


def test_carlini_wagner_finds_near_images_of_another_class(network):
    logits_fn, _ = network
    x, threat_model = images("l2"), ThreatModel(1.0, "l2")
    labels = tf.argmax(logits_fn(x), axis=1)
    attack = CleverhansAttack(threat_model, "cw2", 20, 0.1)
    run = tf.function(lambda x, y: attack.perturb(logits_fn, x, y), autograph=False)
    x, y = x[:3], tf.concat([labels[:2], (labels[2:3] + 1) % 3], axis=0)
    moved = run(x, y)
    fooled = ~correct(logits_fn(moved), y).numpy()
    assert fooled.all() and np.all(threat_model.contains(moved, x))
    np.testing.assert_array_equal(moved[2], x[2])  # misclassified already
    nearest = FAB(ThreatModel(5.0, "l2"), steps=20).nearest(logits_fn, x[:2], y[:2])[1]
    distance = ThreatModel(5.0, "l2").distance(moved[:2], x[:2])
    assert np.all(distance < 2 * nearest)  # FAB's distance is near the minimum


def test_carlini_wagner_leaves_an_image_alone_where_the_ball_is_too_small(network):
    logits_fn, labels = network
    x, attack = images("l2")[:2], CleverhansAttack(ThreatModel(1e-3, "l2"), "cw2", 5, 0.05)
    np.testing.assert_array_equal(attack.perturb(logits_fn, x, labels[:2]), x)


def test_spsa_needs_no_gradients_and_follows_the_keys_of_the_images(network):
    logits_fn, labels = network
    x, attack = images("linf")[:4], CleverhansAttack(ThreatModel(0.2), "spsa", 15, 0.05)
    keys = randomness.image_keys(0, "test", tf.range(4))

    @tf.function(autograph=False)
    def run(x, y, keys):
        return attack.perturb(lambda x: tf.stop_gradient(logits_fn(x)), x, y, keys)

    moved = run(x, labels[:4], keys)
    assert np.all(attack.threat_model.contains(moved, x))
    before, after = (margin(logits_fn(images), labels[:4]).numpy() for images in (x, moved))
    assert np.all(after < before) and np.any(after < 0)
    part = run(x[2:3], labels[2:3], keys[2:3])
    np.testing.assert_allclose(part, moved[2:3], atol=1e-5)
    other = run(x[2:3], labels[2:3], keys[1:2])
    assert np.any(np.abs(other - part) > 1e-3)


def test_adapter_uses_the_labels_it_is_given(network):
    logits_fn, labels = network
    x, attack = images("linf"), CleverhansAttack(THREATS["linf"], "fgm")
    x_adv, other = (attack.perturb(logits_fn, x, y) for y in (labels, (labels + 1) % 3))
    assert np.any(x_adv != other)


def test_adapter_returns_no_gradient(network):
    logits_fn, labels = network
    x = images("linf")
    with tf.GradientTape() as tape:
        tape.watch(x)
        attack = CleverhansAttack(THREATS["linf"], "fgm")
        total = tf.reduce_sum(attack.perturb(logits_fn, x, labels))
    assert tape.gradient(total, x) is None


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="fgm, bim, pgd, madry, mim, cw2, spsa"):
        CleverhansAttack(THREATS["linf"], "deepfool")
    with pytest.raises(ValueError, match="above eps"):
        CleverhansAttack(THREATS["linf"], "pgd", 3, 0.2)
    for name, steps, size in ("pgd", 3, 0), ("cw2", 3, 0):
        with pytest.raises(ValueError, match="step_size=0 would leave the images"):
            CleverhansAttack(THREATS["linf"], name, steps, size)
    with pytest.raises(ValueError, match="steps must be a whole number >= 1, got 0"):
        CleverhansAttack(THREATS["linf"], "pgd", 0)
    for settings in {"steps": 10}, {"step_size": 0.01}:
        with pytest.raises(ValueError, match="fgm is one step of eps"):
            CleverhansAttack(THREATS["linf"], "fgm", **settings)
    with pytest.raises(ValueError, match="linf only"):
        CleverhansAttack(THREATS["l2"], "spsa")


def test_cleverhans_is_imported_where_it_runs_only(tmp_path):
    code = (
        "import sys; from robust_tf.attacks import cleverhans_adapter, presets; "
        "sys.exit('cleverhans' in sys.modules)"
    )
    assert ran(exec, code, output=tmp_path / "said.txt") == (0, "")
