"""A plain fit of both papers' defenses on two replicas; run by test_plain_fit_on_two_replicas.py.

A process of its own, since the processor can be divided only before TensorFlow runs anything.
The last batch of an epoch has 5 images, which the replicas share unequally, or a single one.
"""

import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.models.batch_norm import FrozenBatchNorm, batch_norm
from robust_tf.threat_model import ThreatModel
from robust_tf.training import strategy
from robust_tf.training.adversarial_model import AdversarialModel
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.triplet_adversarial import TripletAdversarial

Y = np.random.default_rng(0).integers(0, 3, 21)
X = np.random.default_rng(1).random([21, 4, 4, 1])


def fitted(kind, chosen, attack, metrics=None, images=21, **how):
    keras.utils.set_random_seed(0)
    with chosen.scope():
        network = keras.Sequential(
            [keras.Input([4, 4, 1]), layers.Flatten(), layers.Dense(6, "tanh"), layers.Dense(3)]
        )
        model = kind(network, attack=attack)
        model.compile(keras.optimizers.SGD(0.1), metrics=metrics, **how)
    x, y = X[:images], Y[:images]
    history = model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y)
    ).history
    return model.network.get_weights(), history


class Sums(AdversarialModel):
    """Sums of the outputs; that of an image of class 1 overflows."""

    def __init__(self):
        image = keras.Input([2])
        logits = keras.layers.Dense(2, dtype="float32")(image)
        super().__init__(keras.Model(image, {"logits": logits}), term_weights={"sum": 1.0})

    def loss_terms(self, batch, crafted):
        size = tf.where(batch["label"] == 1, 3e38, 1.0)
        outputs = self.network(batch["image"])["logits"]
        return {"sum": size * tf.reduce_sum(outputs, axis=1)}, {}


def check_overflow(two):
    """In float16 no replica makes an update whose gradients overflow on one of them."""
    keras.config.set_dtype_policy("mixed_float16")
    with two.scope():
        model = Sums()
        model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    before = model.get_weights()
    for labels in ([0, 0, 0, 1], [1, 0, 0, 0]):  # on the second replica, on the first
        model.fit(np.ones([4, 2]), np.array(labels), batch_size=4, shuffle=False, verbose=0)
        np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert float(model.optimizer.dynamic_scale.numpy()) == model.optimizer.initial_scale / 4
    model.fit(np.ones([4, 2]), np.zeros(4), batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], before[0] - 0.1, rtol=1e-5)


def check_loss_shown(two):
    """Replicas share the last batch unequally; the shown loss is the mean over all images."""
    with two.scope():
        model = Sums()
        model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    images = np.random.default_rng(2).random([7, 2])
    shown = model.fit(images, np.zeros(7), batch_size=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(shown["loss"], shown["sum"], rtol=1e-6)


def check_scopes(two):
    """A network of another scope is one line, before Keras fails on its variables."""
    for network_in, defense_in in (
        (two, tf.distribute.get_strategy()),
        (tf.distribute.get_strategy(), two),
    ):
        with network_in.scope():
            network = keras.Sequential([keras.Input([2, 2, 1]), layers.Flatten(), layers.Dense(2)])
        with defense_in.scope(), pytest.raises(UserError, match="was made in another scope"):
            TripletAdversarial(network, eps=0.1).compile("sgd")


class Refused(layers.Layer):
    """A layer that XLA refuses, in the inference mode of the inner attack alone."""

    def call(self, x, training=False):
        if training:
            return x
        return tf.ensure_shape(tf.py_function(lambda values: values, [x], x.dtype), x.shape)


def check_xla(two):
    """XLA compiles the inner attack, or it goes on without XLA; no update is lost."""

    def trained(layer, jit_compile):
        keras.utils.set_random_seed(0)
        with two.scope():
            dense = [layers.BatchNormalization(synchronized=True), layer, layers.Dense(3)]
            network = keras.Sequential([keras.Input([4, 4, 1]), layers.Flatten(), *dense])
            # In float64 XLA draws other random starts.
            attack = PGD(ThreatModel(0.1), 2, random_start=False)
            model = AdversarialLogitPairing(network, attack=attack)
            model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
        # The second batch has one image, and one replica none.
        model.fit(X[:17], Y[:17], batch_size=16, epochs=2, shuffle=False, verbose=0)
        assert model.optimizer.iterations.numpy() == 4
        return model

    plain = trained(layers.Identity(), False)
    compiled = trained(layers.Identity(), True)
    with pytest.warns(UserWarning, match="the train step goes on without XLA") as said:
        refused = trained(Refused(), True)
    assert len(said) == 1
    assert [model._attack_by_xla for model in (plain, compiled, refused)] == [False, True, False]
    for model in compiled, refused:
        for one, other in zip(plain.get_weights(), model.get_weights()):
            np.testing.assert_allclose(one, other, atol=1e-6)


def check_batch_norm(two):
    """A network whose replicas have statistics of their own is told, before they can be NaN."""

    def said(norm, chosen=two):
        with chosen.scope():
            network = [keras.Input([4, 4, 1]), layers.Flatten(), norm(), layers.Dense(3)]
            model = AdversarialLogitPairing(keras.Sequential(network), eps=0.1)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            model.compile("sgd", jit_compile=False)
        return [str(line.message).split(";")[0] for line in found]

    line = "batch norm takes the statistics of each replica alone, which are NaN where a replica "
    assert said(layers.BatchNormalization) == [line + "has no image"]
    assert said(functools.partial(layers.BatchNormalization, trainable=False)) == []
    assert said(functools.partial(layers.BatchNormalization, synchronized=True)) == []
    assert said(FrozenBatchNorm) == [] == said(batch_norm)
    assert said(layers.BatchNormalization, tf.distribute.get_strategy()) == []


def main():
    keras.config.set_floatx("float64")
    two = strategy.make_strategy("mirrored", 16, logical_cpus=2)
    attack = PGD(ThreatModel(0.1), 2, random_start=False)
    # Alone without a trace, which would take most of the time.
    how = {"run_eagerly": True}, {"jit_compile": False}
    weights, histories = zip(
        *(
            fitted(TripletAdversarial, chosen, attack, ["accuracy"], **settings)
            for chosen, settings in zip((tf.distribute.get_strategy(), two), how)
        )
    )
    for one, other in zip(*weights):
        # Of several partners in the class the draws for an unequal share may choose another.
        np.testing.assert_allclose(one, other, atol=0.05)
    for name in "accuracy", "val_accuracy", "val_robust_accuracy":
        np.testing.assert_allclose(*(history[name] for history in histories), atol=0.1)
    _, history = fitted(HardnessManipulation, two, attack, images=17, jit_compile=False)
    assert np.isfinite(list(history.values())).all()
    for name in "val_recall_at_1", "val_robust_recall_at_1":
        assert 0 <= history[name][0] <= 1
    check_xla(two)
    check_loss_shown(two)
    check_scopes(two)
    check_batch_norm(two)
    check_overflow(two)
