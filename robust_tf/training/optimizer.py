"""The optimisers of the recipes."""

import keras

from robust_tf.training.momentum_sgd import MomentumSGD


def make_optimizer(rate, name="adam", ema=None):
    """Returns a Keras optimiser.

    Args:
        rate: float or schedule, see `learning_rate`.
        name: "adam"; "momentum" for `MomentumSGD`, "nesterov" for its form of Nesterov.
        ema: decay of the average of the weights, see `weight_averaging`; None for no average.
    """
    averaging = {} if ema is None else {"use_ema": True, "ema_momentum": ema}
    if name == "adam":
        return keras.optimizers.Adam(rate, epsilon=1e-8, **averaging)
    return MomentumSGD(rate, momentum=0.9, nesterov=name == "nesterov", **averaging)
