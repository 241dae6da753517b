"""The inner attack on the loss that is trained: its gradient, and its fixed triplets."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.pgd import PGD
from robust_tf.losses.cross_entropy import cross_entropy
from robust_tf.threat_model import ThreatModel
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.triplet_adversarial import TripletAdversarial
from tla_tf.defenses.triplet_loss import angular_triplet, sum_of_norms

RNG = np.random.default_rng(0)
BALL = ThreatModel(0.05)
ATTACK = PGD(BALL, 1, 0.05, random_start=False)
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2], np.int32)
MARGIN, WEIGHT, NORM = 0.5, 2.0, 0.1


def network():
    keras.utils.set_random_seed(0)
    image = keras.Input([4, 4, 1])
    hidden = keras.layers.BatchNormalization()(keras.layers.Flatten()(image))
    embedding = keras.layers.Dense(6, "tanh")(hidden)
    return keras.Model(image, {"logits": keras.layers.Dense(3)(embedding), "embedding": embedding})


def batch():
    def images(*shape):
        return tf.constant(RNG.random([8, *shape, 4, 4, 1]), tf.float32)

    labels = {"label": tf.constant(LABELS), "step": tf.zeros([8], tf.int64)}
    pool_label = tf.constant(RNG.integers(0, 3, [8, 2]), tf.int32)
    streams = {"positive": images(), "pool": images(2), "pool_label": pool_label}
    return {"image": images(), **streams, **labels}


def tla(**settings):
    weights = {"triplet_weight": WEIGHT, "norm_weight": NORM, "margin": MARGIN}
    return TripletAdversarial(network(), attack=ATTACK, **{**weights, **settings})


def attacked(model, images, loss):
    """One step of eps along the sign of the gradient of loss(outputs)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(loss(model.network(images, training=False)))
    return BALL.project(images + 0.05 * tf.sign(tape.gradient(total, images)), images)


def nearest_of_another_class(keys, candidates, candidate_labels):
    unit = lambda x: np.asarray(x) / np.linalg.norm(x, axis=1, keepdims=True)
    scores = np.abs(unit(keys) @ unit(candidates).T)
    scores[LABELS[:, None] == candidate_labels] = -1
    return scores.argmax(1)


@pytest.mark.parametrize("objective", ["triplet", "full"])
@pytest.mark.parametrize("pool", ["batch", "separate"])
def test_the_loss_of_triplets_chosen_on_clean_images(objective, pool):
    model, data = tla(pool=pool, attack_objective=objective), batch()
    embed = lambda images: model.network(images, training=False)["embedding"]
    clean, crafted = embed(data["image"]), model.craft(data)
    if pool == "batch":
        chosen = crafted["positive"].numpy()
        assert np.all(LABELS[chosen] == LABELS) and np.all(chosen != np.arange(8))
        index = nearest_of_another_class(clean, clean, LABELS)
        np.testing.assert_array_equal(crafted["negative"], index)
        positive, negative = tf.gather(clean, chosen), tf.gather(clean, index)
    else:
        images = tf.reshape(data["pool"], [16, 4, 4, 1])
        pool_labels = np.ravel(data["pool_label"])
        index = nearest_of_another_class(clean, embed(images), pool_labels)
        np.testing.assert_array_equal(crafted["negative"], tf.gather(images, index))
        positive, negative = embed(data["positive"]), tf.gather(embed(images), index)

    def loss(outputs):
        ends = outputs["embedding"], positive, negative
        triplet = angular_triplet(*ends, MARGIN)
        if objective == "triplet":
            return triplet
        plain = cross_entropy(outputs["logits"], LABELS)
        return plain + WEIGHT * triplet + NORM * sum_of_norms(*ends)

    found, expected = crafted["adversarial"], attacked(model, data["image"], loss)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - tla(pool=pool).craft(data)["adversarial"]).max() > 0.04


def test_the_loss_has_the_triplets_of_the_attack():
    """Not those nearest to the adversarial images."""
    model, data = tla(attack_objective="full"), batch()
    crafted = model.craft(data)
    terms, _ = model.loss_terms(data, crafted)
    clean = model.network(data["image"], training=True)["embedding"]
    adversarial = model.network(crafted["adversarial"], training=True)["embedding"]
    ends = (tf.gather(clean, crafted[name]) for name in ("positive", "negative"))
    np.testing.assert_allclose(
        terms["triplet"], angular_triplet(adversarial, *ends, MARGIN), atol=1e-5
    )


def test_logit_pairing_with_fixed_clean_logits():
    settings = {"attack": ATTACK, "pairing_weight": 0.7, "clean_weight": 0.5}
    model = AdversarialLogitPairing(network(), attack_objective="full", **settings)
    data = batch()
    clean = model.network(data["image"], training=False)["logits"]

    def loss(outputs):
        pairing = tf.reduce_sum((clean - outputs["logits"]) ** 2, axis=1)
        return 0.5 * cross_entropy(outputs["logits"], LABELS) + 0.7 * pairing

    expected = attacked(model, data["image"], loss)
    np.testing.assert_allclose(model.craft(data)["adversarial"], expected, atol=1e-6)


def test_the_triplet_grows_into_the_loss():
    data = {**batch(), "step": tf.fill([8], tf.constant(0, tf.int64))}
    crafted = {"adversarial": data["image"]}

    def terms(step, **settings):
        model = tla(positive="own", margin=2.0, **settings)
        found, _ = model.loss_terms({**data, "step": data["step"] + step}, crafted)
        return {name: tf.reduce_mean(values).numpy() for name, values in found.items()}

    whole = terms(0)
    for step, share in ((0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)):
        grown = terms(step, triplet_warmup_steps=4)
        assert grown["triplet"] == pytest.approx(share * whole["triplet"])
        assert grown["cross_entropy"] == pytest.approx(whole["cross_entropy"])
        assert grown["embedding_norm"] == pytest.approx(whole["embedding_norm"])
