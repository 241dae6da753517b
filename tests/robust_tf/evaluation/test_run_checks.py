"""The checks bite on networks and attacks made to fool them, and pass on an honest one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.pgd import PGD
from robust_tf.data.examples import Examples
from robust_tf.evaluation.run_checks import CheckRun
from robust_tf.threat_model import ThreatModel

SIDE, CLASSES, COUNT = 5, 4, 48
THREAT = ThreatModel(0.05)


def classifier(before=lambda x: x, after=lambda x: x, scale=4.0):
    """Classes are told apart by the mean of their stripes; linear but for what is put around it."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    embedding = keras.layers.Flatten()(before(image))
    head = keras.layers.Dense(CLASSES, name="head")
    logits = after(head(embedding))
    network = keras.Model(image, {"logits": logits, "embedding": embedding})
    kernel = np.zeros([SIDE * SIDE, CLASSES], np.float32)
    for pixel in range(SIDE * SIDE):
        kernel[pixel, pixel % CLASSES] = scale
    head.set_weights([kernel, np.zeros(CLASSES, np.float32)])
    return network


def examples():
    """Some images well inside their class, some near its boundary."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, COUNT)
    images = random.uniform(0.35, 0.4, [COUNT, SIDE * SIDE])
    for image, label, lead in zip(images, labels, np.linspace(0.05, 0.25, COUNT)):
        image[label::CLASSES] += lead + 0.05 * (label > 0)
    images = images.reshape(-1, SIDE, SIDE, 1).astype(np.float32)
    labels = np.argmax(classifier()(images)["logits"], axis=1)
    return Examples(images, labels)


def statuses(network, attack=None, undefended=None):
    attack = attack or PGD(THREAT, 10, random_start=True)
    settings = {"queries": 40, "batch_size": 16, "seed": 0, "undefended": undefended}
    run = CheckRun(network, examples(), attack, **settings)
    return {check.name: check.status for check in run.run()}


def layer(function):
    return keras.layers.Lambda(function)


def test_an_honest_network_passes():
    found = statuses(classifier())
    assert found.pop("undefended network falls") == "amber"
    assert set(found.values()) == {"green"}, found
    assert len(found) == 14


def test_l2():
    attack = PGD(ThreatModel(0.2, "l2"), 10, random_start=True)
    found = statuses(classifier(), attack)
    assert "red" not in found.values(), found


@pytest.mark.parametrize(
    "network, names",
    [
        (lambda: classifier(after=keras.layers.Softmax()), ["outputs are logits"]),
        (
            lambda: classifier(before=layer(lambda x: tf.round(x * 32) / 32)),
            ["input gradients", "white box beats black box", "unbounded attack succeeds"],
        ),
        (
            lambda: classifier(
                after=layer(lambda z: z + tf.random.normal(tf.shape(z), stddev=0.1))
            ),
            ["forward pass is deterministic"],
        ),
        (lambda: classifier(scale=4e4), ["input gradients", "losses agree"]),
    ],
    ids=["softmax", "quantised inputs", "randomised", "huge logits"],
)
def test_a_masked_network_is_caught(network, names):
    found = statuses(network())
    assert all(found[name] == "red" for name in names), found


def test_one_tiny_step_is_caught():
    found = statuses(classifier(), PGD(THREAT, 1, THREAT.eps / 100))
    for name in ("iterated attack beats one step", "unbounded attack succeeds", "losses agree"):
        assert found[name] == "red", found


def test_an_undefended_network_that_withstands_the_attack_is_red():
    assert statuses(classifier(), undefended=classifier())["undefended network falls"] == "red"
