"""A ranking attack on one batch, compiled once."""

from typing import Any, NamedTuple

import tensorflow as tf

from hm_tf.evaluation.attack_strength import final_and_early
from hm_tf.ranking_attacks.gallery import Gallery
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.pgd import PGD


class Ranker(NamedTuple):
    """A network with its own embeddings of the gallery.

    Attributes:
        network: Network with the output "embedding".
        gallery: `Gallery`.
    """

    network: Any
    gallery: Gallery

    @classmethod
    def of(cls, network, test_set):
        """Returns the ranker of an `EmbeddedTestSet` that `network` embedded."""
        return cls(network, Gallery(test_set.embeddings, test_set.labels))

    def embed(self, images):
        """Returns the embeddings [b, d] of images [b, h, w, c], in inference mode."""
        return self.network(images, training=False)["embedding"]


def compile_ranking_attack(attack, pgd, choice_key, ranker, source=None, *, xla=False):
    """Returns the compiled function of one run on one batch, for `attack_loop`.

    The attack chooses its goals in the gallery of `ranker`, as the white-box attack does. It makes
    the images on the network of `source` and against the gallery of `source`.

    Args:
        attack: `RankingAttack`.
        pgd: `PGD`, `APGD` or `Square` that ascends the objective.
        choice_key: int32 [2], key of the items that the attack draws.
        ranker: `Ranker` that is evaluated.
        source: `Ranker`; None means `ranker`.
        xla: Whether XLA compiles the attack.

    Returns:
        (images [b, h, w, c], rows int32 [b], keys int32 [b, 2]) -> dict of `attack.measures` and
        three more, all [b]. "objective" is the ascended value. "inside": whether an image is in
        ball and box. "active": whether a measure can still fall.
    """
    source = source or ranker

    def ascend(images, rows, keys, *chosen):
        objective = attack.objective(source.embed, images, source.gallery, rows, chosen)
        early = None
        if attack.measures_early and isinstance(pgd, PGD):
            x_adv, earlier = final_and_early(pgd, objective, images, keys)
            early = ranker.embed(earlier)
        else:
            x_adv = pgd.ascend(objective, images, key=keys)
        measures = attack.measure(ranker.embed(x_adv), ranker.gallery, rows, chosen, earlier=early)
        return {
            "active": measures[0] > 0 if attack.ends_at_zero else tf.ones_like(rows, tf.bool),
            "objective": objective(x_adv),
            **dict(zip(attack.measures, measures, strict=True)),
            "inside": pgd.threat_model.contains(x_adv, images),
        }

    def select(images, rows, keys):
        # XLA draws other numbers, and a goal must not depend on XLA.
        return attack.select(ranker.gallery, rows, choice_key)

    return CompiledBatch(ascend, jit_compile=xla, title=attack.name, prepare=select)
