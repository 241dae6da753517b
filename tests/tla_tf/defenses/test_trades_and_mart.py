"""TRADES and MART against the losses that their authors published, on fixed logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.pgd import PGD
from robust_tf.losses.kl_divergence import kl_divergence
from robust_tf.threat_model import ThreatModel
from tla_tf.defenses.mart import Mart, boosted_cross_entropy
from tla_tf.defenses.trades import Trades

RNG = np.random.default_rng(0)
CLEAN, ATTACKED = 2 * RNG.normal(size=(2, 8, 5)).astype("f")
LABELS = (np.arange(8) % 5).astype(np.int32)
BETA = 6.0


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def published_trades(clean, attacked):
    """CrossEntropyLoss(clean) + beta / B * KLDivLoss(log_softmax(attacked), softmax(clean))."""
    p, q = softmax(clean), softmax(attacked)
    natural = -np.log(p[np.arange(8), LABELS]).mean()
    return natural + BETA / 8 * np.sum(p * (np.log(p) - np.log(q)))


def published_mart(clean, attacked):
    p, q = softmax(clean), softmax(attacked)
    rows = np.arange(8)
    runner_up = [max(k for k in np.argsort(q[i])[-2:] if k != LABELS[i]) for i in rows]
    for i in rows:  # of the two largest: the second where the label is the largest
        first, second = np.argsort(q[i])[::-1][:2]
        runner_up[i] = second if first == LABELS[i] else first
    adversarial = -np.log(q[rows, LABELS]) - np.log(1.0001 - q[rows, runner_up] + 1e-12)
    divergence = np.sum(p * (np.log(p) - np.log(q + 1e-12)), axis=1)
    return adversarial.mean() + BETA / 8 * np.sum(divergence * (1.0000001 - p[rows, LABELS]))


def linear(weights):
    """A network whose logits are pixels times weights."""
    image = keras.Input([1, 5, 1])
    dense = keras.layers.Dense(5, use_bias=False)
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    dense.set_weights([weights])
    return model


WEIGHTS = 3 * RNG.normal(size=(5, 5)).astype("f")
IMAGES = RNG.random((2, 8, 1, 5, 1)).astype("f")


@pytest.mark.parametrize("defense, published", [(Trades, published_trades), (Mart, published_mart)])
def test_the_published_loss(defense, published):
    model = defense(linear(WEIGHTS), eps=0.1, beta=BETA)
    batch = {"image": tf.constant(IMAGES[0]), "label": tf.constant(LABELS)}
    terms, _ = model.loss_terms(batch, {"adversarial": tf.constant(IMAGES[1])})
    found = sum(model.term_weights[name] * np.mean(values) for name, values in terms.items())
    expected = published(*(images.reshape(8, 5) @ WEIGHTS for images in IMAGES))
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_parts():
    p, q = softmax(CLEAN), softmax(ATTACKED)
    np.testing.assert_allclose(
        kl_divergence(CLEAN, ATTACKED), np.sum(p * np.log(p / q), axis=1), rtol=1e-4
    )
    largest = [max(np.delete(q[i], LABELS[i])) for i in range(8)]
    expected = -np.log(q[np.arange(8), LABELS]) - np.log(1.0001 - np.array(largest))
    np.testing.assert_allclose(boosted_cross_entropy(ATTACKED, LABELS), expected, rtol=1e-4)


def test_trades_ascends_the_divergence():
    """One step of eps from a random start, against the gradient by hand: W (q - p)."""
    ball = ThreatModel(0.05)
    model = Trades(linear(WEIGHTS), attack=PGD(ball, 1, 0.05))
    batch = {
        "image": tf.constant(IMAGES[0]),
        "label": tf.constant(LABELS),
        "step": tf.zeros([8], tf.int64),
    }
    start = ball.random_start(batch["image"], model.key(batch, "attack start")).numpy()
    p, q = (softmax(images.reshape(8, 5) @ WEIGHTS) for images in (IMAGES[0], start))
    gradient = ((q - p) @ WEIGHTS.T).reshape(start.shape)
    moved = ball.project(start + 0.05 * np.sign(gradient), batch["image"])
    np.testing.assert_allclose(model.craft(batch)["adversarial"], moved, atol=1e-6)
