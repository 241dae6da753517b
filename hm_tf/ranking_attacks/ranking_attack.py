"""What the nine ranking attacks have in common."""

import dataclasses
from typing import ClassVar

from hm_tf.ranking_attacks import ATTACK_MODES
from hm_tf.ranking_attacks.own_item import own_item, recall_at_one
from robust_tf.attacks.objective import NetworkObjective
from robust_tf.errors import require_known


@dataclasses.dataclass(frozen=True)
class RankingAttack:
    """Moves images of a gallery, one by one, so that a ranking changes (HM, section 4).

    The database is the clean embeddings of the whole gallery; only the images of the batch move.
    Use: `chosen = select(...)` once, ascend `objective(...)` with a PGD, embed the images it
    returns, and `measure(...)` these embeddings.

    Args:
        mode: "compat" does what the authors' code does, "fixed" what it evidently means.

    Attributes:
        name: as the records name the attack.
        measures: names of what `measure` returns, in order.
        ends_at_zero: whether the only measure is 1 or 0, and the attack has succeeded at 0.

    Raises:
        ValueError: unknown mode.
    """

    mode: str = "compat"

    name: ClassVar[str | None] = None
    measures: ClassVar[tuple[str, ...]] = ("R@1",)
    ends_at_zero: ClassVar[bool] = False

    def __post_init__(self):
        require_known("mode", self.mode, ATTACK_MODES)

    @property
    def measures_early(self):
        """Whether `measure` needs `earlier`."""
        return False

    def select(self, gallery, rows, key):
        """Chooses what the attack aims at, on clean embeddings; by default the `own_item` alone.

        The draws for an image depend on the key and on its row, not on the rest of the batch. XLA
        draws other numbers than plain TensorFlow, so call this outside of functions for XLA.

        Args:
            gallery: `Gallery`.
            rows: int32 [b], the index of each image of the batch in the gallery.
            key: int32 [2], see randomness.key.

        Returns:
            Tuple of tensors, first axis b.
        """
        return (own_item(gallery, rows, self.mode),)

    def cost(self, gallery, rows, chosen):
        """Returns the function from adversarial embeddings [b, d] to J [b], to minimise.

        Everything that does not depend on these embeddings is computed here, once.
        """
        raise NotImplementedError

    def objective(self, embed_fn, images, gallery, rows, chosen):
        """The `Objective` that a PGD ascends: -J.

        Args:
            embed_fn: images [b, ...] to unit embeddings [b, d]; decides the mode of the network.
            images: the clean images [b, ...].
            gallery, rows: See `select`.
            chosen: Result of `select`.
        """
        cost = self.cost(gallery, rows, chosen)
        return NetworkObjective(embed_fn, lambda embeddings: -cost(embeddings))

    def measure(self, adversarial, gallery, rows, chosen, earlier=None):
        """What the attack achieved; by default R@1 without the item that was chosen last.

        Args:
            adversarial: float [b, d], unit embeddings of the attacked images.
            gallery, rows, chosen: See `objective`.
            earlier: float [b, d], where `measures_early`: the embeddings of the last forward pass
                inside the attack, before its last step (`final_and_early`). None: `adversarial`.

        Returns:
            Tuple of float [b], one for each of `measures`; ranks and R@1 in [0, 1].
        """
        return (recall_at_one(adversarial, gallery, rows, chosen[-1]),)
