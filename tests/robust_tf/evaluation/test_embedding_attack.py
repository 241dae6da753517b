import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.pgd import PGD
from robust_tf.distances import angular
from robust_tf.evaluation.embedding_attack import EmbeddingAttack
from robust_tf.threat_model import ThreatModel


def test_it_moves_away_from_the_own_and_towards_the_nearest_other_class():
    random = np.random.default_rng(0)
    x = tf.constant(random.uniform(0.3, 0.7, [6, 3, 3, 1]), tf.float32)
    weights = tf.constant(random.normal(size=[9, 4]), tf.float32)
    labels = tf.constant([0, 0, 1, 1, 2, 2])

    def embedding_fn(images):
        return tf.reshape(images, [-1, 9]) @ weights

    threat_model = ThreatModel(0.1)
    attack = EmbeddingAttack(PGD(threat_model, 10), embedding_fn, labels, embedding_fn(x))
    x_adv = attack.perturb(None, x, labels, randomness.image_keys(0, "test", tf.range(6)))
    assert threat_model.contains(x_adv, x).numpy().all()

    own, moved = embedding_fn(x), embedding_fn(x_adv)
    for row in range(6):
        others = [k for k in range(6) if labels[k] != labels[row]]
        nearest = min(others, key=lambda k: float(angular(own[k], own[row])))
        before = angular(own[row], own[row]) - angular(own[row], own[nearest])
        after = angular(moved[row], own[row]) - angular(moved[row], own[nearest])
        assert after > before


def test_an_image_is_attacked_alike_in_any_batch():
    random = np.random.default_rng(0)
    x = tf.constant(random.uniform(0.3, 0.7, [6, 3, 3, 1]), tf.float32)
    weights, labels = tf.constant(random.normal(size=[9, 4]), tf.float32), tf.range(6) % 3
    keys = randomness.image_keys(0, "test", tf.range(6))

    def embedding_fn(images):
        return tf.reshape(images, [-1, 9]) @ weights

    attack = EmbeddingAttack(PGD(ThreatModel(0.1), 3), embedding_fn, labels, embedding_fn(x))
    whole, part = (attack.perturb(None, x[s], labels[s], keys[s]) for s in (slice(6), slice(4, 6)))
    np.testing.assert_allclose(whole[4:], part, atol=1e-6)


def test_it_has_the_public_call_of_every_attack():
    random = np.random.default_rng(0)
    x = random.uniform(0.3, 0.7, [6, 3, 3, 1]).astype(np.float32)
    weights = tf.constant(random.normal(size=[9, 4]), tf.float32)

    def embedding_fn(images):
        return tf.reshape(images, [-1, 9]) @ weights

    threat_model, labels = ThreatModel(0.1), np.arange(6) % 3
    attack = EmbeddingAttack(PGD(threat_model, 3), embedding_fn, labels, embedding_fn(x))
    x_adv = attack(embedding_fn, x, labels, seed=1, batch_size=4)
    assert threat_model.contains(x_adv, x).numpy().all() and (x_adv != x).any(axis=(1, 2, 3)).all()
