"""What every step computes, against explicit loops in float64, and that every setting counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from explicit_updates import (
    DECAY,
    EPS,
    RATE,
    SHARDS,
    SIZE,
    STEP,
    STEPS,
    Explicit,
)

from hm_tf.defenses.anti_collapse_triplet import AntiCollapseTriplet
from hm_tf.defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.defenses.min_max import MinMax
from hm_tf.defenses.no_defense import NoDefense
from hm_tf.defenses.suppressing_embedding_shift import SuppressingEmbeddingShift
from hm_tf.triplets import destinations
from robust_tf.attacks.pgd import PGD
from robust_tf.models.unit_length import UnitLength
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.threat_model import ThreatModel

ATTACK = PGD(ThreatModel(EPS), STEPS, STEP, random_start=False)


pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture
def network():
    """4x4 images to 6 dimensions: small enough for explicit loops."""
    keras.utils.set_random_seed(0)
    image = keras.Input([4, 4, 1], name="image", dtype="float64")
    x = keras.layers.Dense(12, activation="tanh")(keras.layers.Flatten()(image))
    return keras.Model(image, {"embedding": UnitLength()(keras.layers.Dense(6)(x))})


def batch_of(step, classes=4):
    random = np.random.default_rng(step)
    labels = np.repeat(random.permutation(np.arange(SIZE // 2) % classes), 2)
    patterns = np.random.default_rng(7).uniform(0.3, 0.7, [4, 4, 4, 1])
    images = patterns[labels] + 0.1 * random.uniform(size=[SIZE, 4, 4, 1])
    return {
        "image": tf.constant(images),
        "label": tf.constant(labels, tf.int32),
        "step": tf.fill([SIZE], tf.constant(step, tf.int64)),
    }


def hm(network, source="softhard", destination="lga", **settings):
    settings = {"attack": ATTACK, "shards": SHARDS, "ics": 0.5, **settings}
    return HardnessManipulation(network, source=source, destination=destination, **settings)


SETTINGS = {"source": "random", "attack": ATTACK, "shards": SHARDS}
MAKERS = {
    "regular": lambda net, **kw: NoDefense(net, **{**SETTINGS, "attack": None, **kw}),
    "est": lambda net, **kw: EmbeddingShiftedTriplet(net, **{**SETTINGS, **kw}),
    "ses": lambda net, **kw: SuppressingEmbeddingShift(net, **{**SETTINGS, **kw}),
    "act": lambda net, **kw: AntiCollapseTriplet(net, **{**SETTINGS, **kw}),
    "min_max": lambda net, **kw: MinMax(net, **{**SETTINGS, **kw}),
    "hm": hm,
}


@pytest.mark.parametrize("name", MAKERS)
def test_updates_against_explicit_loops(name, network):
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    explicit = Explicit(copy)
    defense = MAKERS[name](network, weight_decay=DECAY)
    defense.compile(optimizer=keras.optimizers.SGD(RATE))
    for step in range(3 if name == "hm" else 2):  # its destination moves from the second on
        batch = batch_of(step)
        defense.fit(tf.data.Dataset.from_tensors(batch), verbose=0, shuffle=False)
        explicit.update(name, batch)
        for found, expected in zip(network.get_weights(), copy.get_weights()):
            np.testing.assert_allclose(found, expected, atol=1e-12)
    if name == "hm":
        np.testing.assert_allclose(defense.previous_loss, explicit.previous, atol=1e-12)
        assert 0 < defense.previous_loss.numpy().min() < 0.2  # the gradual destination has moved


def total(defense, batch):
    terms, _ = defense.loss_terms(batch, defense.craft(batch))
    assert terms.keys() == defense.term_weights.keys()
    return float(tf.add_n([defense.term_weights[k] * tf.reduce_mean(v) for k, v in terms.items()]))


def test_every_setting_of_hm_counts(network):
    batch = batch_of(0)
    usual = total(hm(network), batch)
    for setting in (
        {"source": "random"},
        {"source": "hardest"},
        {"destination": "semihard"},
        {"destination": "gb:semihard"},
        {"destination": "0"},
        {"destination": "softhard"},
        {"margin": 0.4},
        {"ics": 0.0},
        {"ics_margin": 0.2},
        {"shards": 1},
        {"seed": 1},
        {"attack": PGD(ThreatModel(EPS), 1, EPS, random_start=False)},
    ):
        assert abs(usual - total(hm(network, **setting), batch)) > 1e-6, setting


def test_settings_that_count_below_the_margin(network):
    fine = PGD(ThreatModel(EPS), 20, 0.005, random_start=False)  # others end beyond the mark

    def below(**setting):
        defense = hm(network, attack=fine, **setting)
        defense.previous_loss.assign([0.1] * SHARDS)
        return total(defense, batch_of(0))

    usual = below()
    for setting in {"destination": "g2"}, {"destination": "ghalf"}, {"loss_bound": 2.2}:
        assert abs(usual - below(**setting)) > 1e-6, setting


def test_every_setting_of_ses_counts(network):
    usual, changed = (MAKERS["ses"](network, shift_weight=w) for w in (1.0, 2.0))
    assert abs(total(usual, batch_of(0)) - total(changed, batch_of(0))) > 1e-6


def test_equal_names_skip_the_attack(network):
    """HM[S, S] is regular training with S but for the draws; there an attack would move images."""
    batch = batch_of(0)
    crafted = hm(network, destination="softhard").craft(batch)
    expected = tf.concat([tf.gather(batch["image"], i) for i in crafted["triplets"][:3]], 0)
    np.testing.assert_array_equal(crafted["images"], expected)
    assert np.any(hm(network, destination="0").craft(batch)["images"] != expected)


def test_every_shard_is_attacked_as_on_its_own_device(network):
    """The second shard is far from its destination, the first so near that it ends early."""
    missing = tf.repeat(tf.constant([1e-3, 0.5], tf.float64), SIZE // 2 // SHARDS)
    near = destinations.Destination("near", None, lambda level, source, _: source + missing)
    defense = hm(network, attack=PGD(ThreatModel(EPS), 5, 1e-6, random_start=False))
    defense.goal = near
    batch = batch_of(0)
    crafted = defense.craft(batch)
    images = tf.concat([tf.gather(batch["image"], i) for i in crafted["triplets"][:3]], 0)
    moved = np.abs(crafted["images"] - images).reshape(3, SHARDS, -1).max(axis=(0, 2))
    np.testing.assert_allclose(moved, [2e-6, 5e-6])


def test_a_constant_of_two_is_min_max(network):
    batch = batch_of(0)
    two = hm(network, source="random", destination="2", ics=0.0)
    crafted = two.craft(batch)
    images = tf.concat([tf.gather(batch["image"], i) for i in crafted["triplets"][:3]], 0)
    other = MinMax(network, source="random", attack=ATTACK, shards=SHARDS)
    other.mine = lambda *_: crafted["triplets"]
    np.testing.assert_allclose(other.craft(batch)["images"], crafted["images"], atol=1e-12)
    assert np.any(images != crafted["images"])


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_of_one_class_has_no_triplets_and_says_so(name, network):
    batch = batch_of(0, classes=1)
    defense = MAKERS[name](network)
    terms, monitors = defense.loss_terms(batch, defense.craft(batch))
    np.testing.assert_array_equal(monitors["skipped_triplets"], np.ones(SIZE // 2))
    assert np.all(terms["triplet"] == 0)


def test_previous_loss_is_checkpointed(network, tmp_path):
    defense = hm(network)
    defense.compile(optimizer=keras.optimizers.Adam())
    defense.previous_loss.assign([0.03, 0.07])
    with Checkpoints(tmp_path, defense) as checkpoints:
        checkpoints.save(1)
    defense.previous_loss.assign([2.0, 2.0])
    assert Checkpoints(tmp_path, defense).restore_latest() == 1
    np.testing.assert_array_equal(defense.previous_loss, [0.03, 0.07])
    assert len(defense.trainable_variables) == 4
