"""Searches of the ball around an image: as the protocol does it, and stronger."""

import dataclasses

from robust_tf.attacks.apgd import APGD
from robust_tf.threat_model import format_magnitude

# Of the protocol's, in one strong run.
STRONG_STEPS = 3


def said_steps(steps, size):
    """Steps of one size as text."""
    return f"{steps} steps of {format_magnitude(size)}"


def final_and_early(pgd, objective, images, key=None):
    """Returns the images after the last step of a `PGD` and one step earlier, [b, ...] each."""
    early = pgd.threat_model.random_start(images, key) if pgd.random_start else images
    if pgd.steps > 1:
        early = dataclasses.replace(pgd, steps=pgd.steps - 1).ascend(objective, images, key=key)
    return dataclasses.replace(pgd, steps=1).ascend(objective, images, start=early), early


class PGDSearch:
    """PGD, in the protocol from the image itself (HM, section 4).

    Args:
        pgd: `PGD`; its own restarts are not used.
        early: whether the images of the last forward pass are wanted too.
        restarts: runs, with different random starts.
        strength: what it is called.
    """

    def __init__(self, pgd, early=False, *, restarts=1, strength="protocol"):
        self.pgd = dataclasses.replace(pgd, restarts=1)
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
            return final_and_early(self.pgd, objective, images, key)
        return self.pgd.ascend(objective, images, key=key), None


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
        self._apgd = APGD(pgd.threat_model, steps=STRONG_STEPS * pgd.steps)
        # The protocol's images are among its candidates.
        self._beside = said_steps(pgd.steps, pgd.step_size)

    @property
    def settings(self):
        """What records say; there is no one step size."""
        settings = {"steps": self._apgd.steps, "restarts": self.restarts, "random_start": True}
        return {**settings, "search": "APGD", "beside": self._beside}

    def __call__(self, objective, images, key):
        """One run; returns (attacked images [b, ...], None)."""
        return self._apgd.ascend(objective, images, key=key), None
