"""The ranking attacks and the profiles of their constants, by name."""

from typing import NamedTuple

from hm_tf.ranking_attacks.candidate_attack import CandidateDown, CandidateUp
from hm_tf.ranking_attacks.embedding_shift import EmbeddingShift
from hm_tf.ranking_attacks.greedy_top1_misranking import GreedyTop1Misranking
from hm_tf.ranking_attacks.greedy_top1_translocation import GreedyTop1Translocation
from hm_tf.ranking_attacks.learning_to_misrank import LearningToMisrank
from hm_tf.ranking_attacks.query_attack import QueryDown, QueryUp
from hm_tf.ranking_attacks.targeted_mismatch import TargetedMismatch

ATTACKS = {
    attack.name: attack
    for attack in (
        *(CandidateUp, CandidateDown, QueryUp, QueryDown, TargetedMismatch),
        *(
            EmbeddingShift,
            LearningToMisrank,
            GreedyTop1Misranking,
            GreedyTop1Translocation,
        ),
    )
}
NAMES = tuple(ATTACKS)  # in the order of the paper's tables


class Profile(NamedTuple):
    """Constants of all nine attacks: L-inf radius, step size (pixel units), steps; zero start."""

    eps: str
    step_size: str
    steps: int


# The authors' code writes 3/255 as 0.011764.
PROFILES = {
    "rob224": Profile(eps="8/255", step_size="3/255", steps=32),
    "rob28": Profile(eps="77/255", step_size="3/255", steps=32),
}


def get(name, mode="compat"):
    """Returns the `RankingAttack` called `name`, one of `NAMES`, in any case.

    Raises:
        ValueError: unknown name or mode; the message lists the allowed names.
    """
    attack = ATTACKS.get(name.upper())
    if attack is None:
        raise ValueError(f"unknown attack {name!r}; choose from {', '.join(NAMES)}")
    return attack(mode)
