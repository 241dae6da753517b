"""The defenses on one fixed batch of digits: what each step computes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.attacks.pgd import PGD
from robust_tf.data import pipeline
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.models import registry as models
from robust_tf.threat_model import ThreatModel
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.adversarial_training import AdversarialTraining
from tla_tf.defenses.negatives import NegativeSelection
from tla_tf.defenses.triplet_adversarial import TripletAdversarial
from tla_tf.defenses.triplet_loss import angular_triplet
from tla_tf.defenses.undefended import Undefended

ATTACK = PGD(ThreatModel(0.1), 2, random_start=True)
TLA = {
    "attack": ATTACK,
    "triplet_weight": 0.5,
    "norm_weight": 1e-3,
    "margin": 0.3,
    "negatives": NegativeSelection(),
}


@pytest.fixture(scope="module")
def batch():
    examples = data.open("digits").load("train")
    info = data.open("digits").info
    dataset = pipeline.train_dataset(examples, info, batch_size=24, seed=0, stop_step=1, pool_mul=2)
    return next(iter(dataset))


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    return models.get("digits_cnn", data.open("digits").info)


def statistics(network):
    return [v.numpy() for v in network.variables if "moving" in v.name]


def total(defense, batch):
    """The loss of the step, without weight decay."""
    terms, _ = defense.loss_terms(batch, defense.craft(batch))
    assert terms.keys() == defense.term_weights.keys()
    for values in terms.values():
        assert values.shape == [24]
    return float(tf.add_n([defense.term_weights[k] * tf.reduce_mean(v) for k, v in terms.items()]))


def test_undefended_is_cross_entropy_on_clean_images(network, batch):
    logits = network(batch["image"], training=True)["logits"]
    expected = np.mean(cross_entropy(logits, batch["label"]))
    assert total(Undefended(network), batch) == pytest.approx(expected, rel=1e-6)


def test_adversarial_training_is_cross_entropy_on_adversarial_images(network, batch):
    defense = AdversarialTraining(network, attack=ATTACK)
    images = defense.craft(batch)["adversarial"]
    assert np.all(ATTACK.threat_model.contains(images, batch["image"]))
    found = total(defense, batch)
    expected = np.mean(cross_entropy(network(images, training=True)["logits"], batch["label"]))
    assert found == pytest.approx(expected, rel=1e-6)
    assert found > total(Undefended(network), batch)


@pytest.mark.parametrize("pool", ["batch", "separate"])
def test_without_its_terms_tla_is_adversarial_training(network, batch, pool):
    settings = {**TLA, "triplet_weight": 0.0, "norm_weight": 0.0}
    weights = network.get_weights()
    tla = total(TripletAdversarial(network, pool=pool, **settings), batch)
    network.set_weights(weights)
    assert tla == pytest.approx(total(AdversarialTraining(network, attack=ATTACK), batch), rel=1e-6)


def test_logit_pairing_without_pairing_is_half_clean_half_adversarial(network, batch):
    alp = AdversarialLogitPairing(network, attack=ATTACK, pairing_weight=0.0, clean_weight=0.5)
    weights = network.get_weights()
    found = total(alp, batch)
    network.set_weights(weights)
    adversarial = total(AdversarialTraining(network, attack=ATTACK), batch)
    network.set_weights(weights)
    clean = total(Undefended(network), batch)
    assert found == pytest.approx(0.5 * (clean + adversarial), rel=1e-5)


@pytest.mark.parametrize("pool", ["batch", "separate"])
def test_crafting_leaves_the_moving_statistics(network, batch, pool):
    before = statistics(network)
    TripletAdversarial(network, pool=pool, **TLA).craft(batch)
    for old, new in zip(before, statistics(network)):
        np.testing.assert_array_equal(old, new)


def test_attack_in_training_mode_moves_the_statistics(network, batch):
    before = statistics(network)
    AdversarialTraining(network, attack=ATTACK, attack_bn_mode="training").craft(batch)
    assert any(np.any(old != new) for old, new in zip(before, statistics(network)))


def test_negatives_of_the_separate_pool_are_the_nearest_of_another_class(network, batch):
    defense = TripletAdversarial(network, pool="separate", **TLA)
    crafted = defense.craft(batch)
    pool = tf.reshape(batch["pool"], [-1, 8, 8, 1])
    labels = tf.reshape(batch["pool_label"], [-1]).numpy()
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    keys = unit(network(crafted["adversarial"], training=False)["embedding"].numpy())
    scores = np.abs(keys @ unit(network(pool, training=False)["embedding"].numpy()).T)
    scores[batch["label"].numpy()[:, None] == labels] = -1
    expected = tf.gather(pool, scores.argmax(1))
    np.testing.assert_array_equal(crafted["negative"], expected)


def test_switched_anchor_exchanges_anchor_and_positive(network, batch):
    defense = TripletAdversarial(network, anchor="clean", positive="own", **TLA)
    crafted = defense.craft(batch)
    terms, _ = defense.loss_terms(batch, crafted)
    clean = network(batch["image"], training=True)["embedding"]
    attacked = network(crafted["adversarial"], training=True)["embedding"]
    scores = np.abs(
        tf.linalg.normalize(attacked, axis=1)[0]
        @ tf.transpose(tf.linalg.normalize(clean, axis=1)[0])
    )
    scores[batch["label"].numpy()[:, None] == batch["label"].numpy()] = -1
    negative = tf.gather(clean, scores.argmax(1))
    expected = angular_triplet(clean, attacked, negative, 0.3)
    np.testing.assert_allclose(terms["triplet"], expected, atol=1e-5)


@pytest.mark.parametrize("pool", ["batch", "separate"])
@pytest.mark.parametrize("positive", ["other", "both"])
@pytest.mark.parametrize("concat", [False, True], ids=["apart", "concat"])
def test_switched_anchor_has_one_pair_and_no_other_image(network, batch, pool, positive, concat):
    settings = {**TLA, "pool": pool, "anchor": "clean", "concat_forward": concat}
    weights = network.get_weights()
    expected = total(TripletAdversarial(network, positive="own", **settings), batch)
    after = statistics(network)
    network.set_weights(weights)
    batch = {name: value for name, value in batch.items() if name != "positive"}
    assert total(TripletAdversarial(network, positive=positive, **settings), batch) == expected
    for found, value in zip(statistics(network), after, strict=True):
        np.testing.assert_array_equal(found, value)


def test_one_forward_of_all_images_shares_their_statistics(network, batch):
    defense = TripletAdversarial(network, concat_forward=True, **TLA)
    crafted = defense.craft(batch)
    together = tf.concat([batch["image"], crafted["adversarial"]], axis=0)
    expected = network(together, training=True)["logits"][24:]
    terms, _ = defense.loss_terms(batch, crafted)
    np.testing.assert_allclose(
        terms["cross_entropy"], cross_entropy(expected, batch["label"]), rtol=1e-5
    )


def test_a_batch_of_one_class_has_no_triplets_and_says_so(network, batch):
    one_class = {**batch, "label": tf.zeros_like(batch["label"])}
    defense = TripletAdversarial(network, **TLA)
    terms, monitors = defense.loss_terms(one_class, defense.craft(one_class))
    assert np.all(monitors["skipped_triplets"] == 1) and np.all(terms["triplet"] == 0)
    assert np.all(np.isfinite(terms["cross_entropy"]))
