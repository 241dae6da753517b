"""What APGD, FAB and Square have in common, each with a few steps on small networks."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.apgd import APGD, LOSSES
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.malt import MALT
from robust_tf.attacks.objectives import correct
from robust_tf.attacks.square import Square
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

EAGER = pytest.mark.usefixtures("eager")

KEY = randomness.key(0, 0, "test")
THREATS = {"linf": ThreatModel(0.1), "l2": ThreatModel(0.4, "l2")}
ATTACKS = {
    "apgd-ce": lambda threat: APGD(threat, "ce", steps=4),
    "apgd-dlr": lambda threat: APGD(threat, "dlr", steps=4),
    "apgd-t": lambda threat: APGD(threat, "targeted-dlr", steps=4, targets=2),
    "fab-t": lambda threat: FAB(threat, steps=4, targets=2),
    "square": lambda threat: Square(threat, queries=12),
}
EVERY = pytest.mark.parametrize("name", ATTACKS)


def compiled(name, norm, logits_fn, shard=Shard()):
    """Returns the attack as a compiled function of images, labels and key."""
    attack = ATTACKS[name](THREATS[norm])

    @tf.function(autograph=False)
    def run(x, y, key=KEY):
        return attack.perturb(logits_fn, x, y, key, shard)

    return run


@EVERY
@pytest.mark.parametrize("norm, classes", [("l2", 2), ("linf", 3), ("l2", 10)])
@EAGER
def test_images_stay_in_ball_and_box_and_some_fool(name, norm, classes, classifier):
    logits_fn, x, labels = classifier(classes=classes, seed=1)
    x_adv = compiled(name, norm, logits_fn)(x, labels)
    assert x_adv.dtype == x.dtype and x_adv.shape == x.shape
    assert np.all(THREATS[norm].contains(x_adv, x))
    assert not np.all(correct(logits_fn(x_adv), labels))


@pytest.mark.parametrize(
    "name, norm",
    [*((name, "linf") for name in ATTACKS), ("apgd-t", "l2"), ("fab-t", "l2"), ("square", "l2")],
)
@EAGER
def test_key_and_label_of_an_image_decide_and_no_other_image(name, norm, classifier):
    """In float64, where the sums of differently blocked rows agree to 1e-12."""
    logits_fn, x, labels = classifier("float64")
    attack = compiled(name, norm, logits_fn)
    whole = attack(x, labels)
    assert whole.dtype == tf.float64
    other = attack(x, labels, randomness.key(1, 0, "test"))
    assert np.any(other != whole) == (name != "fab-t")
    # Two shards make the images of one.
    for index in (0, 1):
        rows = slice(4 * index, 4 * index + 4)
        part = compiled(name, norm, logits_fn, Shard(index, 2))(x[rows], labels[rows])
        np.testing.assert_allclose(part, whole[rows], rtol=0, atol=1e-10)
    # Misclassified images are returned as they are, and disturb no other.
    wrong = np.arange(8) % 2 == 0
    beside = attack(x, tf.where(wrong, (labels + 1) % 3, labels))
    np.testing.assert_array_equal(beside[wrong], x[wrong])
    assert np.any(whole[~wrong] != x[~wrong])
    np.testing.assert_allclose(beside[~wrong], whole[~wrong], rtol=0, atol=1e-10)


@EVERY
def test_a_graph_is_compiled_once_and_stops_once_all_are_fooled(name, classifier):
    logits_fn, x, labels = classifier("float64")
    traces, evaluations = [], tf.Variable(0)

    def counted(x):
        traces.append(1)
        evaluations.assign_add(1)
        return logits_fn(x)

    attack = ATTACKS[name](THREATS["linf"])
    run = tf.function(lambda x, y, key: attack.perturb(counted, x, y, key), autograph=False)
    found = run(x, labels, KEY)
    assert len(traces) <= 3 < evaluations
    first = len(traces)
    eager = attack.perturb(logits_fn, x, labels, KEY)
    np.testing.assert_allclose(found, eager, rtol=0, atol=1e-10)
    # No image is looked at again.
    evaluations.assign(0)
    run(x, (labels + 1) % 3, randomness.key(1, 0, "test"))
    assert len(traces) == first
    assert evaluations == 1


# With 3 classes "targeted-dlr" ascends what "dlr" does; test_packed_loop.py compiles "ce" with XLA.
@pytest.mark.parametrize("name", ["apgd-t", "fab-t", "square"])
def test_xla_compiles_it(name, classifier):
    logits_fn, x, labels = classifier()
    attack = ATTACKS[name](THREATS["linf"])

    @tf.function(autograph=False, jit_compile=True)
    def run(x, y):
        return attack.perturb(logits_fn, x, y, KEY)

    x_adv = run(x, labels)
    assert np.all(THREATS["linf"].contains(x_adv, x))


@EVERY
def test_result_carries_no_gradient(name, classifier):
    logits_fn, x, labels = classifier()
    attack = ATTACKS[name](THREATS["linf"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(attack.perturb(logits_fn, x, labels, KEY))
    assert tape.gradient(total, x) is None


def test_apgd_says_what_it_ascends():
    threat = THREATS["linf"]
    names = {loss: [APGD(threat, loss).loss_name(n) for n in (2, 3, 10)] for loss in LOSSES}
    assert names == {
        "ce": ["cross entropy"] * 3,
        "targeted-margin": ["targeted margin"] * 3,
        "dlr": ["margin", "DLR", "DLR"],
        "targeted-dlr": ["margin", "DLR", "targeted DLR"],
    }


def test_apgd_keeps_its_best_point(classifier):
    """In so small a ball no image is fooled; the highest loss met is returned."""
    logits_fn, x, labels = classifier("float64")
    seen = []

    def spy(x):
        logits = logits_fn(x)
        seen.append(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return logits

    tiny = ThreatModel(1e-4)
    x_adv = APGD(tiny, steps=10).perturb(spy, x, labels, KEY)
    losses = np.array(seen)
    assert np.all(correct(logits_fn(x_adv), labels)) and len(losses) == 12
    final = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits_fn(x_adv))
    np.testing.assert_allclose(final, losses[1:].max(axis=0))


def test_apgd_runs_towards_every_target():
    """Only the run towards the second likeliest other class finds the way."""
    x = tf.fill([1, 1, 1, 1], 0.5)

    def logits_fn(x):
        z = x[:, 0, 0]
        wall = 0.9 - 2 * tf.nn.relu(z - 0.5)  # the likeliest other class: recedes as z rises
        return tf.concat([0 * z + 1, wall, 0.5 + 6 * (z - 0.5), -5 + 0 * z, -5 + 0 * z], axis=1)

    for targets, found in ((1, False), (2, True)):
        attack = APGD(ThreatModel(0.1), "targeted-dlr", steps=5, targets=targets)
        assert correct(logits_fn(attack.perturb(logits_fn, x, [0], KEY)), [0])[0] != found


def test_square_needs_no_gradients(classifier):
    logits_fn, x, labels = classifier()
    attack = Square(THREATS["linf"], queries=40)
    x_adv = attack.perturb(lambda x: tf.stop_gradient(logits_fn(x)), x, labels, KEY)
    assert not np.all(correct(logits_fn(x_adv), labels))
    # Images without channels, and vectors.
    plain = attack.perturb(logits_fn, x[..., 0], labels, KEY)
    np.testing.assert_array_equal(plain, x_adv[..., 0])
    rows = tf.reshape(x, [8, 16])
    changed = attack.perturb(logits_fn, rows, labels, KEY)
    assert np.all(attack.threat_model.contains(changed, rows))
    assert not np.all(correct(logits_fn(changed), labels))


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda t: APGD(t, "hinge"), "ce, dlr, targeted-dlr"),
        (lambda t: APGD(t, steps=0), "steps"),
        (lambda t: APGD(t, rho=1.5), "rho must be in .0, 1., got 1.5"),
        (lambda t: APGD(t, rho=float("nan")), "rho must be in"),
        (lambda t: APGD(t, "ce", targets=3), "targets=3 does nothing with loss='ce'"),
        (lambda t: MALT(t, "dlr"), "MALT needs a loss of targeted-dlr, targeted-margin, got 'dlr'"),
        (lambda t: FAB(t, targets=0), "targets"),
        (lambda t: FAB(t, beta=1.5), "beta"),
        (lambda t: FAB(t, eta=float("nan")), "eta"),
        (lambda t: Square(t, queries=0), "queries"),
        (lambda t: Square(t, p=0.0), "p must be in"),
        (
            lambda t: Square(t).perturb(None, tf.zeros([2, 3, 3, 3, 3]), [0, 0], KEY),
            "height, width",
        ),
    ],
)
def test_mistakes_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make(THREATS["linf"])


def test_repr_shows_every_setting():
    threat = ThreatModel("8/255")
    assert str(APGD(threat)) == "APGD(linf eps=8/255, loss='ce', steps=100, targets=9, rho=0.75)"
    assert str(Square(threat)) == "Square(linf eps=8/255, queries=5000, p=0.8)"
    assert str(FAB(threat)) == (
        "FAB(linf eps=8/255, steps=100, targets=9, alpha_max=0.1, eta=1.05, beta=0.9)"
    )
