"""What holds for every attack: one table of cases."""

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.evaluation.attack_strength import final_and_early
from hm_tf.evaluation.ranking_evaluation import MODES_DIFFER
from hm_tf.evaluation.robustness_score import COLUMNS
from hm_tf.ranking_attacks import registry
from hm_tf.ranking_attacks.gallery import Gallery
from hm_tf.ranking_attacks.ranking_attack import RankingAttack
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel

EVERY = pytest.mark.parametrize("name", registry.NAMES)
BOTH = pytest.mark.parametrize("mode", ["compat", "fixed"])
# The other modes differ only where the gallery has one embedding twice.
CASES = [*((name, "fixed") for name in registry.NAMES), *((n, "compat") for n in MODES_DIFFER)]
DIFFERING = pytest.mark.parametrize("name, mode", CASES)
KEY = tf.constant([5, 6])
FIRST = np.random.default_rng(1).normal(size=[25, 40]).astype(np.float32)
SECOND = np.random.default_rng(2).normal(size=[40, 8]).astype(np.float32)


def embed(images):
    """A network of two random layers."""
    hidden = tf.tanh(tf.reshape(images, [-1, 25]) @ FIRST)
    return tf.linalg.l2_normalize(hidden @ SECOND, axis=1)


@pytest.fixture(scope="module")
def images():
    """60 images in 12 classes of 5."""
    generator = np.random.default_rng(3)
    centres = np.repeat(generator.uniform(0.2, 0.8, size=[12, 5, 5, 1]), 5, axis=0)
    return (centres + generator.uniform(-0.1, 0.1, size=centres.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def gallery(images):
    return Gallery(embed(images).numpy(), np.repeat(np.arange(12), 5), block=25)


def attacked(attack, images, gallery, eps, steps):
    """(clean measures, measures after the attack, moved images) of all items."""
    images, rows = tf.constant(images), tf.range(len(images))
    chosen = attack.select(gallery, rows, KEY)
    objective = attack.objective(embed, images, gallery, rows, chosen)
    moved, last = final_and_early(
        PGD(ThreatModel(eps), steps, "3/255", random_start=False), objective, images
    )
    clean = attack.measure(embed(images), gallery, rows, chosen)
    after = attack.measure(embed(moved), gallery, rows, chosen, earlier=embed(last))
    return clean, after, moved


def directions(attack):
    """-1 for a measure whose high values are robust, +1 for the others."""
    robust = {c.measure: c.high_is_robust for c in COLUMNS if c.attack == attack.name}
    return [-1 if robust[measure] else 1 for measure in attack.measures]


@DIFFERING
def test_each_moves_its_own_measure(images, gallery, name, mode):
    attack = registry.get(name, mode)
    clean, after, moved = attacked(attack, images, gallery, "16/255", steps=8)
    assert len(attack.measures) == len(clean) == len(after)
    for before, now, direction in zip(clean, after, directions(attack), strict=True):
        assert direction * (np.mean(now) - np.mean(before)) > 0.05
    assert np.abs(moved - images).max() <= 16 / 255 + 1e-6


@DIFFERING
def test_no_radius_no_change(images, gallery, name, mode):
    clean, after, moved = attacked(registry.get(name, mode), images, gallery, 0.0, steps=2)
    np.testing.assert_array_equal(moved, images)
    for before, now in zip(clean, after):
        np.testing.assert_array_equal(now, before)


def constant(images):
    """The embedding of every image is the same, whatever it is."""
    return tf.linalg.l2_normalize(1.0 + 0.0 * embed(images), axis=1)


@BOTH
@EVERY
@pytest.mark.parametrize("case", ["duplicates", "collapsed"])
def test_nothing_is_ever_nan(images, name, mode, case):
    attack = registry.get(name, mode)
    images = np.repeat(images[::10], 2, axis=0) if case == "duplicates" else images[:12]
    network = embed if case == "duplicates" else constant
    gallery = Gallery(network(images).numpy(), np.tile([0, 0, 1, 1, 2, 2], 2))
    rows = tf.range(12)
    chosen = attack.select(gallery, rows, KEY)
    objective = attack.objective(network, images, gallery, rows, chosen)
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = objective(x)
    moved = PGD(ThreatModel("8/255"), 3, "3/255", random_start=False).ascend(objective, x)
    measured = attack.measure(network(moved), gallery, rows, chosen)
    for number in (value, tape.gradient(value, x), moved, *measured):
        assert np.all(np.isfinite(number))


@EVERY
def test_a_batch_finds_what_the_whole_finds(images, gallery, name):
    attack = registry.get(name)
    every = attack.select(gallery, tf.range(60), KEY)
    some = attack.select(gallery, tf.constant([7, 50, 8]), KEY)
    for whole, part in zip(every, some, strict=True):
        np.testing.assert_array_equal(part, tf.gather(whole, [7, 50, 8]))


@pytest.mark.parametrize("name", ["QA+", "LTM"])
def test_compiled_with_xla(images, gallery, name):
    attack = registry.get(name)
    rows = tf.constant([3, 14, 15])
    chosen = attack.select(gallery, rows, KEY)

    def run(batch):
        objective = attack.objective(embed, batch, gallery, rows, chosen)
        moved = PGD(ThreatModel("8/255"), 2, "3/255", random_start=False).ascend(objective, batch)
        return objective(moved), attack.measure(embed(moved), gallery, rows, chosen)[0]

    batch = tf.gather(images, rows)
    for compiled, plain in zip(tf.function(run, jit_compile=True)(batch), run(batch)):
        np.testing.assert_allclose(compiled, plain, atol=1e-3)


def test_names_and_profiles():
    expected = ["CA+", "CA-", "QA+", "QA-", "TMA", "ES", "LTM", "GTM", "GTT"]
    assert list(registry.NAMES) == expected
    assert [registry.get(name.lower()).name for name in expected] == expected
    constants = {"rob224": 8, "rob28": 77}
    for name, levels in constants.items():
        profile = registry.PROFILES[name]
        assert ThreatModel(profile.eps).eps == pytest.approx(levels / 255)
        assert (profile.step_size, profile.steps) == ("3/255", 32)


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown attack 'QB'.*; choose from CA\\+, CA-"):
        registry.get("QB")
    with pytest.raises(ValueError, match="unknown mode 'old'; choose from compat, fixed"):
        RankingAttack("old")
