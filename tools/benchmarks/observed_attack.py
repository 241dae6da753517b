"""An attack whose steps are counted."""

import tensorflow as tf

from robust_tf.attacks.objective import Objective


class ObservedAttack:
    """A PGD that counts its steps, and may ignore the rule that ends its loop early.

    Args:
        attack: PGD.
        stops: whether the rule of the objective holds.

    Attributes:
        steps: tf.Variable, all steps made so far.
    """

    def __init__(self, attack, stops=True):
        self.attack = attack
        self.stops = stops
        self.steps = tf.Variable(0, dtype=tf.int64)

    def ascend(self, objective, x, **settings):
        return self.attack.ascend(_Observed(objective, self.steps, self.stops), x, **settings)


class _Observed(Objective):
    """Adds 1 to a variable whenever the values of another objective are computed."""

    def __init__(self, objective, steps, stops):
        self.objective = objective
        self.steps = steps
        self.saturated = objective.saturated if stops else None
        self.groups = objective.groups

    def __call__(self, x):
        self.steps.assign_add(1)
        return self.objective(x)
