"""The optimisers of the recipes, with their learning rate by update."""

import keras

from robust_tf.training.momentum_sgd import MomentumSGD


def make_optimizer(learning_rates, boundaries=(), name="adam"):
    """Returns a Keras optimiser.

    Args:
        learning_rates: list of float, one more than `boundaries`.
        boundaries: list of int, the updates after which the next rate holds.
        name: "adam", or "momentum" for `MomentumSGD`.
    """
    rate = learning_rates[0]
    if boundaries:
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            list(boundaries), list(learning_rates)
        )
    if name == "momentum":
        return MomentumSGD(rate, momentum=0.9)
    return keras.optimizers.Adam(rate, epsilon=1e-8)
