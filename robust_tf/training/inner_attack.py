"""The attack of the inner maximisation, which a user gives to a defense."""

from robust_tf.attacks.square import Square
from robust_tf.errors import UserError


def require_inner_attack(attack, norm):
    """Returns an attack that ascends an objective by its gradient.

    Raises:
        UserError: another attack, which needs labels and logits or has no gradient. What is no
            attack. An attack in another norm than `norm`, unless this is the default.
    """
    if not hasattr(attack, "ascend") or isinstance(attack, (Square, type)):
        kind = type(attack).__name__
        raise UserError(
            f"attack={kind}: a defense trains with PGD, APGD or NoisyFGSM: attack=PGD(eps='8/255')"
        )
    if norm not in ("linf", own := attack.threat_model.norm):
        raise UserError(f"norm={norm!r} goes with eps; the attack has its own norm, {own}")
    return attack
