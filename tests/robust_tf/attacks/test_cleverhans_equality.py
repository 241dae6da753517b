"""Our loop against cleverhans, after 1, 2, 3 and 5 steps."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks import presets
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.pgd import PGD, Momentum
from robust_tf.threat_model import ThreatModel

# The L2 ball is small against the distance of the pixels from the box (see `images`).
THREATS = {"linf": ThreatModel(0.1), "l2": ThreatModel(0.2, "l2")}
STEP_SIZES = {"linf": 0.03, "l2": 0.07}
# cleverhans' MIM has decay 1 and divides each image's gradient by its mean absolute value, that is
# by its L1 norm over the number of pixels. Its momentum is therefore that of our l1 form times the
# number of pixels, and a positive factor changes neither sign(g) nor g / ||g||_2.
MOMENTUM = {"pgd": None, "bim": None, "mim": Momentum(1.0, "l1")}
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
    theirs = CleverhansAttack("fgm", THREATS[norm])(logits_fn, x, labels)
    preset = presets.get("fgsm", THREATS[norm])
    ours = preset.attack(preset.objective_factory(logits_fn, labels), x)
    assert np.max(np.abs(ours - x)) > 0.05
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@BOTH_NORMS
@pytest.mark.parametrize("name", MOMENTUM)
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_iterative(name, norm, steps, network):
    logits_fn, labels = network
    x, size = images(norm), STEP_SIZES[norm]
    theirs = CleverhansAttack(name, THREATS[norm], steps, size)(logits_fn, x, labels)
    attack = PGD(THREATS[norm], steps, size, momentum=MOMENTUM[name])
    ours = attack(CrossEntropy(logits_fn, labels), x)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    if norm == "linf":
        assert np.any(np.isin(ours, (0.0, 1.0)))  # the box was reached


def test_adapter_uses_the_labels_it_is_given(network):
    logits_fn, labels = network
    x, attack = images("linf"), CleverhansAttack("fgm", THREATS["linf"])
    assert np.any(attack(logits_fn, x, labels) != attack(logits_fn, x, (labels + 1) % 3))


def test_adapter_returns_no_gradient(network):
    logits_fn, labels = network
    x = images("linf")
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(CleverhansAttack("fgm", THREATS["linf"])(logits_fn, x, labels))
    assert tape.gradient(total, x) is None


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="fgm, pgd, bim, mim"):
        CleverhansAttack("deepfool", THREATS["linf"])
    with pytest.raises(ValueError, match="above eps"):
        CleverhansAttack("pgd", THREATS["linf"], 3, 0.2)
