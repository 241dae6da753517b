"""Searches of the ball around an image: as the protocol does it, and stronger."""

from robust_tf.attacks.objective_apgd import ObjectiveAPGD
from robust_tf.threat_model import format_magnitude

# Of the protocol's, in one strong run.
STRONG_STEPS = 3


def said_steps(steps, size):
    """Steps of one size as text."""
    return f"{steps} steps of {format_magnitude(size)}"


class PGDSearch:
    """PGD, in the protocol from the image itself (HM, section 4).

    Args:
        pgd: `PGD`; its own restarts are not used.
        early: whether the images of the last forward pass are wanted too.
        restarts: runs, with different random starts.
        strength: what it is called.
    """

    def __init__(self, pgd, early=False, *, restarts=1, strength="protocol"):
        self.pgd = pgd
        self.threat_model = pgd.threat_model
        self.early = early
        self.restarts = restarts
        self.strength = strength

    @property
    def settings(self):
        """What records say."""
        size = {"step_size": self.pgd.step_size, "random_start": self.pgd.random_start}
        return {"steps": self.pgd.steps, "restarts": self.restarts, **size}

    def __call__(self, objective, images, key):
        """One run; returns (attacked images, those one step earlier or None), [b, ...] each."""
        if self.early:
            return self.pgd.run_keeping_last(objective, images, key=key)
        return self.pgd.run(objective, images, key=key), None


class StrongSearch:
    """APGD: random starts, momentum, step sizes that adapt, and more steps.

    Args:
        pgd: the `PGD` of the protocol.
        restarts: random starts.
    """

    strength = "strong"

    def __init__(self, pgd, restarts):
        self.threat_model = pgd.threat_model
        self.restarts = restarts
        self._apgd = ObjectiveAPGD(pgd.threat_model, STRONG_STEPS * pgd.steps)
        # The protocol's images are among its candidates.
        self._beside = said_steps(pgd.steps, pgd.step_size)

    @property
    def settings(self):
        """What records say; there is no one step size."""
        settings = {"steps": self._apgd.steps, "restarts": self.restarts, "random_start": True}
        return {**settings, "search": "APGD", "beside": self._beside}

    def __call__(self, objective, images, key):
        """One run; returns (attacked images [b, ...], None)."""
        return self._apgd(objective, images, key=key), None
