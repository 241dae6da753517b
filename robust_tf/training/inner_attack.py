"""The attack of the inner maximisation, which a user gives to a defense."""

from robust_tf.attacks.square import Square
from robust_tf.errors import UserError


def require_inner_attack(attack):
    """Returns an attack that ascends an objective by its gradient.

    Raises:
        UserError: another attack: it needs labels and logits, or has no gradient.
    """
    if not hasattr(attack, "ascend") or isinstance(attack, Square):
        kind = type(attack).__name__
        raise UserError(f"attack={kind}: a defense trains with PGD, APGD or NoisyFGSM")
    return attack
