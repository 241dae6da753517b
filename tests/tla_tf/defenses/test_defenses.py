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
from tla_tf.defenses.positives import in_batch_positive
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


def nearest(keys, labels, candidates, candidate_labels):
    """The candidate of another class with the largest |cos|, a naive search, int [keys]."""
    unit = lambda x: np.asarray(x) / np.linalg.norm(x, axis=1, keepdims=True)
    scores = np.abs(unit(keys) @ unit(candidates).T)
    scores[np.asarray(labels)[:, None] == np.asarray(candidate_labels)] = -1
    return scores.argmax(1)


def embedded(network, images, training=True):
    return network(images, training=training)["embedding"]


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


def test_xla_crafts_the_same_images(batch):
    """Rounding may turn the sign of a gradient close to 0. The network has no max pooling."""
    keras.utils.set_random_seed(0)
    network = models.get("mlp", data.open("digits").info)
    defense = TripletAdversarial(network, **TLA)
    crafted = defense.craft(batch)["adversarial"]
    compiled = tf.function(defense.craft, autograph=False, jit_compile=True)(batch)["adversarial"]
    assert np.mean(np.abs(compiled - crafted) > 1e-5) < 0.01


def test_attack_in_training_mode_moves_the_statistics(network, batch):
    before = statistics(network)
    AdversarialTraining(network, attack=ATTACK, attack_bn_mode="training").craft(batch)
    assert any(np.any(old != new) for old, new in zip(before, statistics(network)))


def test_negatives_of_the_separate_pool_are_the_nearest_of_another_class(network, batch):
    defense = TripletAdversarial(network, pool="separate", **TLA)
    crafted = defense.craft(batch)
    pool = tf.reshape(batch["pool"], [-1, 8, 8, 1])
    labels = tf.reshape(batch["pool_label"], [-1])
    keys = embedded(network, crafted["adversarial"], training=False)
    index = nearest(keys, batch["label"], embedded(network, pool, training=False), labels)
    np.testing.assert_array_equal(crafted["negative"], tf.gather(pool, index))


def test_switched_anchor_of_the_own_image(network, batch):
    """--positive=own: anchor x, positive x', negative nearest to x' (the authors' selection)."""
    defense = TripletAdversarial(network, anchor="clean", positive="own", **TLA)
    crafted = defense.craft(batch)
    terms, _ = defense.loss_terms(batch, crafted)
    clean, attacked = embedded(network, batch["image"]), embedded(network, crafted["adversarial"])
    negative = tf.gather(clean, nearest(attacked, batch["label"], clean, batch["label"]))
    expected = angular_triplet(clean, attacked, negative, 0.3)
    np.testing.assert_allclose(terms["triplet"], expected, atol=1e-5)


@pytest.mark.parametrize("anchor", ["adv", "clean"])
def test_switched_anchor_in_the_batch(network, batch, anchor):
    """TLA-SA exchanges anchor and positive of TLA; the negative stays nearest to x'."""
    defense = TripletAdversarial(network, anchor=anchor, **TLA)
    crafted = defense.craft(batch)
    clean, attacked = embedded(network, batch["image"]), embedded(network, crafted["adversarial"])
    labels, slots = batch["label"], tf.range(24)
    noise = defense._noise(batch, "positive", labels, labels)
    chosen = in_batch_positive(labels, labels, slots, noise)
    assert np.any(chosen != slots) and np.all(tf.gather(labels, chosen) == labels)
    natural, index = tf.gather(clean, chosen), nearest(attacked, labels, clean, labels)
    assert np.any(index != nearest(natural, labels, clean, labels))
    pair = (natural, attacked) if anchor == "clean" else (attacked, natural)
    expected = angular_triplet(*pair, tf.gather(clean, index), 0.3)
    terms, _ = defense.loss_terms(batch, crafted)
    np.testing.assert_allclose(terms["triplet"], expected, atol=1e-5)


def test_switched_anchor_with_separate_images(network, batch):
    defense = TripletAdversarial(network, anchor="clean", pool="separate", **TLA)
    crafted = defense.craft(batch)
    pool, labels = tf.reshape(batch["pool"], [-1, 8, 8, 1]), tf.reshape(batch["pool_label"], [-1])
    keys = embedded(network, crafted["adversarial"], training=False)
    candidates = embedded(network, pool, training=False)
    index = nearest(keys, batch["label"], candidates, labels)
    np.testing.assert_array_equal(crafted["negative"], tf.gather(pool, index))
    terms, _ = defense.loss_terms(batch, crafted)
    images = batch["positive"], crafted["adversarial"], crafted["negative"]
    expected = angular_triplet(*(embedded(network, part) for part in images), 0.3)
    np.testing.assert_allclose(terms["triplet"], expected, atol=1e-5)


@pytest.mark.parametrize("pool", ["batch", "separate"])
def test_own_image_as_the_anchor_needs_no_other_image(network, batch, pool):
    defense = TripletAdversarial(network, anchor="clean", positive="own", pool=pool, **TLA)
    weights = network.get_weights()
    expected = total(defense, batch)
    network.set_weights(weights)
    batch = {name: value for name, value in batch.items() if name != "positive"}
    assert total(defense, batch) == expected


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
