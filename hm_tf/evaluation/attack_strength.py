"""How an evaluation searches the ball around an image: as the protocol does, or harder."""

import dataclasses

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.threat_model import format_magnitude

# Steps of a strong run, in multiples of the protocol's steps.
STRONG_STEPS = 3


@dataclasses.dataclass(frozen=True)
class AttackStrength:
    """An attack on any objective, and how often it runs.

    Args:
        attack: `PGD`, `APGD` or `Square`; its own restarts stay 1.
        name: Name in titles and in the results cache.
        restarts: Runs from different random starts.
        beside: Steps of the protocol as text, whose images a strong attack has beside its own.
    """

    attack: PGD | APGD | Square
    name: str = "protocol"
    restarts: int = 1
    beside: str = ""

    @classmethod
    def strong(cls, pgd, restarts):
        """APGD: random starts, momentum, step sizes that adapt, and more steps.

        Args:
            pgd: `PGD` of the protocol.
            restarts: Random starts.
        """
        attack = APGD(pgd.threat_model, steps=STRONG_STEPS * pgd.steps)
        return cls(attack, "strong", restarts, said_steps(pgd.steps, pgd.step_size))

    @property
    def settings(self):
        """Settings for the records, a dict; APGD has no one step size."""
        if isinstance(self.attack, Square):
            return {"queries": self.attack.queries, "restarts": self.restarts}
        settings = {"steps": self.attack.steps, "restarts": self.restarts}
        if isinstance(self.attack, APGD):
            return {**settings, "random_start": True, "search": "APGD", "beside": self.beside}
        pgd = self.attack
        return {**settings, "step_size": pgd.step_size, "random_start": pgd.random_start}


def said_steps(steps, size):
    """Steps of one size as text."""
    return f"{steps} steps of {format_magnitude(size)}"


def final_and_early(pgd, objective, images, key=None):
    """Returns the images after the last step of a `PGD` and one step earlier, [b, ...] each."""
    early = pgd.threat_model.random_start(images, key) if pgd.random_start else images
    if pgd.steps > 1:
        early = dataclasses.replace(pgd, steps=pgd.steps - 1).ascend(objective, images, key=key)
    return dataclasses.replace(pgd, steps=1).ascend(objective, images, start=early), early
