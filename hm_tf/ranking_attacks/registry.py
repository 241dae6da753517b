"""The ranking attacks and the profiles of their constants, by name."""

from typing import NamedTuple

from hm_tf.defenses.build import pgd_from_image
from hm_tf.ranking_attacks import STANDARD
from hm_tf.ranking_attacks.candidate_attack import CandidateDown, CandidateUp
from hm_tf.ranking_attacks.embedding_shift import EmbeddingShift
from hm_tf.ranking_attacks.greedy_top1_misranking import GreedyTop1Misranking
from hm_tf.ranking_attacks.greedy_top1_translocation import GreedyTop1Translocation
from hm_tf.ranking_attacks.learning_to_misrank import LearningToMisrank
from hm_tf.ranking_attacks.query_attack import QueryDown, QueryUp
from hm_tf.ranking_attacks.targeted_mismatch import TargetedMismatch
from robust_tf.errors import UserError, require_known, with_closest
from robust_tf.runs.finished_run import attacked_ball

_CLASSES = [
    CandidateUp,
    CandidateDown,
    QueryUp,
    QueryDown,
    TargetedMismatch,
    EmbeddingShift,
    LearningToMisrank,
    GreedyTop1Misranking,
    GreedyTop1Translocation,
]
ATTACKS = {attack.name: attack for attack in _CLASSES}
NAMES = tuple(ATTACKS)  # in the order of the paper's tables


class Profile(NamedTuple):
    """Constants of all nine attacks: radius, step size (pixel units), steps, norm; zero start."""

    eps: str
    step_size: str
    steps: int
    norm: str = "linf"

    def attack(self, steps=None, step_size=None, eps=None, norm=None):
        """Returns the `PGD` of these constants, each of which an argument replaces.

        A step size belongs to its norm: in another ball it is 2.5 * eps / steps.

        Raises:
            UserError: see `attacked_ball`.
        """
        ball = attacked_ball(self.eps, self.norm, eps, norm)
        size = self.step_size if ball.norm == self.norm else None
        size = size if step_size is None else step_size
        return pgd_from_image(ball.eps, steps or self.steps, size, ball.norm)


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
    require_known("attack", name.upper(), ATTACKS)
    return ATTACKS[name.upper()](mode)


def attack_names(given, called="attacks"):
    """Returns the names as records have them, in the paper's order, each once.

    Args:
        given: list of str: names in any case, "all", "none", or "standard" alone, which takes all.
        called: name of the argument or flag in messages.

    Raises:
        UserError: unknown names; all of them are listed.
    """
    known = "ALL", *NAMES
    named = [name.strip().upper() if isinstance(name, str) else "" for name in given]
    if named == ["NONE"]:
        return ()
    if list(given) == [STANDARD]:
        return NAMES
    if alone := {"NONE", STANDARD.upper()}.intersection(named) if len(named) > 1 else ():
        raise UserError(f"{called}: {min(alone).lower()} stands alone; leave it or the others out")
    words = *NAMES, "all", "none", STANDARD
    unknown = [with_closest(one, words) for one, name in zip(given, named) if name not in known]
    if unknown or not named:
        raise UserError(
            f"{called}: unknown attacks: {', '.join(unknown) or 'no name'}; allowed: "
            f"{', '.join(NAMES)}, all, none; or {STANDARD} alone"
        )
    return NAMES if "ALL" in named else tuple(name for name in NAMES if name in named)
