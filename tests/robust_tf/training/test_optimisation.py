"""The optimiser and the schedule of the published recipes, step by step."""

import keras
import numpy as np
import pytest

from robust_tf.training.momentum_sgd import MomentumSGD


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
    from absl import flags as absl_flags

    from robust_tf.cli import recipe
    from tla_tf import config, flags

    values = absl_flags.FlagValues()
    flags.define_train(values)
    values(["train", *recipe.combine([], lambda _: "cifar10", "tla")])
    schedule = config.optimizer(values)._learning_rate
    np.testing.assert_allclose(schedule(step), rate)
