"""The optimiser and the schedule of the published recipes, step by step."""

import keras
import numpy as np
import pytest

from robust_tf.training.learning_rate import OneCycle, learning_rate
from robust_tf.training.momentum_sgd import MomentumSGD
from robust_tf.training.optimizer import make_optimizer
from tla_tf import options


@pytest.mark.parametrize(
    "optimizer, expected",
    [(MomentumSGD, [0.9, 0.61, 0.5739]), (keras.optimizers.SGD, [0.9, 0.61, 0.339])],
)
def test_momentum_after_a_drop_of_the_learning_rate(optimizer, expected):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01])
    sgd = optimizer(rate, momentum=0.9)
    weight = keras.Variable(1.0)
    seen = []
    for gradient in (1.0, 2.0, 1.0):
        sgd.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        seen.append(float(weight))
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_nesterov_looks_ahead():
    """By hand: v = 1, 2.9, 3.61; w <- w - 0.1 (g + 0.9 v); the same as Keras at a constant rate."""
    ours, keras_own = MomentumSGD(0.1, nesterov=True), keras.optimizers.SGD(0.1, 0.9, nesterov=True)
    weights = keras.Variable(1.0), keras.Variable(1.0)
    for gradient, expected in zip((1.0, 2.0, 1.0), (0.81, 0.349, -0.0759)):
        for sgd, weight in zip((ours, keras_own), weights):
            sgd.apply([keras.ops.convert_to_tensor(gradient)], [weight])
            np.testing.assert_allclose(float(weight), expected, atol=1e-6)
    assert MomentumSGD.from_config(ours.get_config()).nesterov


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_one_cycle():
    """As `np.interp` of Wong et al. (2020): up for 40 % of the updates, then down to 0."""
    steps = [0, 1, 39, 40, 70, 99]
    expected = np.interp(np.add(steps, 1), [0, 40, 100], [0, 0.2, 0])
    found = learning_rate([0.2], schedule="onecycle", train_steps=100)
    np.testing.assert_allclose(rates(found, steps), expected, atol=1e-7)
    short = learning_rate([0.2], schedule="onecycle", train_steps=100, warmup_steps=1)
    np.testing.assert_allclose(rates(short, [0, 49, 99]), [0.2, 0.2 * 50 / 99, 0], atol=1e-7)
    single = learning_rate([0.2], schedule="onecycle", train_steps=1)
    assert rates(single, [0]) == [0]  # and not 0 / 0
    copy = OneCycle.from_config(found.get_config())
    assert rates(copy, steps) == rates(found, steps)


def test_cosine_after_a_linear_rise():
    steps = np.array([0, 5, 10, 35, 60, 110])
    fall = 0.1 * (1 + np.cos(np.pi * (steps - 10) / 100))
    expected = np.where(steps < 10, 0.2 * steps / 10, fall)
    found = learning_rate([0.2], schedule="cosine", train_steps=110, warmup_steps=10)
    np.testing.assert_allclose(rates(found, steps), expected, atol=1e-7)
    plain = learning_rate([0.2], schedule="cosine", train_steps=110)
    np.testing.assert_allclose(rates(plain, [0, 55, 110]), [0.2, 0.1, 0], atol=1e-7)


@pytest.mark.parametrize(
    "step, rate", [(0, 0.1), (50_000, 0.1), (50_001, 0.01), (60_000, 0.01), (60_001, 0.001)]
)
def test_schedule_of_the_cifar10_recipe(step, rate):
    recipe = options.TRAIN.parse(["--dataset=cifar10"]).values
    optimizer = make_optimizer(
        learning_rate(recipe["learning_rates"], recipe["boundaries"]), recipe["optimizer"]
    )
    assert isinstance(optimizer, MomentumSGD)
    np.testing.assert_allclose(optimizer._learning_rate(step), rate)
