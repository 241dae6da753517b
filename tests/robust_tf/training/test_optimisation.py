"""The optimiser and the schedule of the published recipes, step by step."""

import keras
import numpy as np
import pytest

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


@pytest.mark.parametrize(
    "step, rate", [(0, 0.1), (50_000, 0.1), (50_001, 0.01), (60_000, 0.01), (60_001, 0.001)]
)
def test_schedule_of_the_cifar10_recipe(step, rate):
    recipe = options.recipe("cifar10")
    optimizer = make_optimizer(recipe["learning_rates"], recipe["boundaries"], recipe["optimizer"])
    assert isinstance(optimizer, MomentumSGD)
    np.testing.assert_allclose(optimizer._learning_rate(step), rate)
