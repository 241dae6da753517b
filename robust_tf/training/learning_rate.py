"""The learning rate by update."""

import keras
from keras import ops
from keras.optimizers import schedules

# Share of the updates in which a one-cycle rate rises (Wong et al. 2020, `--lr-schedule=cyclic`).
RISING = 0.4


@keras.saving.register_keras_serializable("robust_tf")
class OneCycle(schedules.LearningRateSchedule):
    """Rises linearly from 0 to `peak`, then falls linearly to 0 (Smith 2018; Wong et al. 2020).

    Args:
        peak: float, the largest rate.
        rising: int, updates of the rise.
        train_steps: int, updates in all.
    """

    def __init__(self, peak, rising, train_steps):
        self.peak, self.rising, self.train_steps = peak, rising, train_steps

    def __call__(self, step):
        # Of the end of an update: a rate of 0 would waste the first one.
        done = ops.cast(step, "float32") + 1.0
        rise = done / self.rising
        fall = (self.train_steps - done) / max(self.train_steps - self.rising, 1)
        return self.peak * ops.clip(ops.minimum(rise, fall), 0.0, 1.0)

    def get_config(self):
        return {"peak": self.peak, "rising": self.rising, "train_steps": self.train_steps}


def learning_rate(rates, boundaries=(), schedule=None, train_steps=None, warmup_steps=None):
    """Returns a float or a schedule of Keras.

    Args:
        rates: list of float, one more than `boundaries`; with a schedule the largest rate alone.
        boundaries: list of int, the updates after which the next rate holds.
        schedule: None; "onecycle", see `OneCycle`; or "cosine" (Loshchilov and Hutter 2017).
        train_steps: int, updates in all; a schedule needs it.
        warmup_steps: int, updates in which the rate of a schedule rises linearly from 0. None: 40 %
            of all updates for "onecycle", 0 for "cosine".
    """
    if schedule == "onecycle":
        rising = round(RISING * train_steps) if warmup_steps is None else warmup_steps
        return OneCycle(rates[0], max(rising, 1), train_steps)
    if schedule == "cosine":
        rising = warmup_steps or 0
        start = {"initial_learning_rate": 0.0, "warmup_target": rates[0]} if rising else {}
        first = {"initial_learning_rate": rates[0], **start}
        return schedules.CosineDecay(decay_steps=train_steps - rising, warmup_steps=rising, **first)
    if boundaries:
        return schedules.PiecewiseConstantDecay(list(boundaries), list(rates))
    return rates[0]
