"""A defense of the HM paper from plain values, as recipes and commands have them."""

import dataclasses
from collections.abc import Mapping

from hm_tf.defenses.anti_collapse_triplet import AntiCollapseTriplet
from hm_tf.defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet
from hm_tf.defenses.free_hardness_manipulation import FreeHardnessManipulation
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.defenses.method_name import title_of
from hm_tf.defenses.min_max import MinMax
from hm_tf.defenses.no_defense import NoDefense
from hm_tf.defenses.suppressing_embedding_shift import SuppressingEmbeddingShift
from hm_tf.triplets import destinations
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel
from robust_tf.training import defense_settings

DEFENSES = {
    "none": NoDefense,
    "est": EmbeddingShiftedTriplet,
    "act": AntiCollapseTriplet,
    "minmax": MinMax,
    "ses": SuppressingEmbeddingShift,
    "hm": HardnessManipulation,
}


def pgd_from_image(eps, steps, step_size, norm="linf"):
    """Returns the `PGD` of training or evaluation, which starts at the image itself.

    A single step goes all the way (HM, authors' code).

    Args:
        eps: radius in [0, 1] pixels; "8/255" is understood.
        steps: int, number of steps.
        step_size: in the unit of `eps`, None for 2.5 * eps / steps; nothing reads the size of a
            single step.
        norm: "linf" or "l2".
    """
    ball = ThreatModel(eps, norm)
    return PGD(ball, steps, ball.eps if steps == 1 else step_size, random_start=False)


@dataclasses.dataclass(frozen=True)
class DefenseSettings(defense_settings.DefenseSettings):
    """A method of `DEFENSES`.

    Attributes:
        manipulation: dict of the further arguments of HM, such as destination and ics; empty for
            other defenses.
        batch_size, shard_size: images of an update, and those among which triplets are mined.
    """

    manipulation: Mapping
    batch_size: int
    shard_size: int
    inner_attacks = {**defense_settings.DefenseSettings.inner_attacks, "pgd": pgd_from_image}

    @classmethod
    def read(cls, name, arguments):
        """Returns the settings of a defense.

        Args:
            name: a key of `DEFENSES`.
            arguments: function from the name of a part, such as "attack", to its dict.
        """
        parts = map(arguments, ("defense", "attack", "manipulation"))
        return cls(name, *parts, **arguments("shards"))

    def check(self):
        """Raises the `UserError` of a destination that does not exist or divides by 0."""
        if given := self.manipulation:
            own = {name: given[name] for name in ("rise", "loss_bound")}
            destinations.get(given["destination"], margin=self.arguments["margin"], **own)

    @property
    def title(self):
        """The name of the method as the paper prints it, and the settings that it does not have."""
        settings = {**self.arguments, **self.manipulation, **self.attack}
        settings["loss"] = settings["metric_loss"]
        settings["inner_attack"] = self.attack.get("kind", "pgd")
        return title_of({**settings, "defense": self.name})

    @property
    def replays(self):
        """Number of updates in a row that get the same batch."""
        return self.manipulation.get("free") or 1

    def shards(self, replicas):
        """Returns how many shards a replica mines in; `UserError` where they do not fit."""
        size, batch = self.shard_size, self.batch_size
        if size % 2 or batch % (size * replicas):
            raise UserError(
                f"--batch_size={batch} must be a multiple of --shard_size={size} (even) times "
                f"{replicas} replicas; --strategy=auto takes as many devices as divide"
            )
        return batch // (size * replicas)

    def build(self, network, replicas=1):
        """Returns the `AdversarialModel` around `network`."""
        arguments = {**self.arguments, **self.manipulation, "shards": self.shards(replicas)}
        if "kind" in self.attack:
            arguments["attack"] = self.inner_attack
        if arguments.pop("free", None) is None:
            return DEFENSES[self.name](network, **arguments)
        return FreeHardnessManipulation(
            network, free=self.replays, batch_size=self.batch_size, **arguments
        )
