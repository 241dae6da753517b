"""The attack of the inner maximisation, which a user gives to a defense."""

import warnings

from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.errors import UserError
from robust_tf.training import saved_settings


def require_inner_attack(attack, norm, *, restarts=True):
    """Returns an attack that ascends an objective by its gradient.

    It warns of an attack that cannot be saved with its defense.

    Args:
        attack: what a user gave.
        norm: the norm beside it, "linf" by default.
        restarts: whether PGD may have restarts, which end for an image that is misclassified.

    Raises:
        UserError: another attack, which needs labels and logits or has no gradient. What is no
            attack. An attack in another norm than `norm`, unless this is the default. An attack for
            images outside [0, 1]. A setting that does nothing in a training.
    """
    kind = type(attack).__name__
    if not hasattr(attack, "ascend") or isinstance(attack, (Square, type)):
        raise UserError(
            f"attack={kind}: a defense trains with PGD, APGD or NoisyFGSM: attack=PGD(eps='8/255')"
        )
    ball = attack.threat_model
    if norm not in ("linf", ball.norm):
        raise UserError(f"norm={norm!r} goes with eps; the attack has its own norm, {ball.norm}")
    if (ball.lower, ball.upper) != (0, 1):
        raise UserError(
            f"the attack's pixels lie in [{ball.lower:g}, {ball.upper:g}]; a defense takes images "
            f"in [0, 1]: attack={kind}(eps='8/255'), and input_range= says what the network takes"
        )
    if getattr(attack, "loss", "ce") != "ce":
        raise UserError(
            f"attack={kind}(loss={attack.loss!r}): the attack ascends the loss that the defense "
            "chooses; leave loss out"
        )
    if attack.restarts > 1 and not (restarts and isinstance(attack, PGD)):
        raise UserError(
            f"attack={kind}(restarts={attack.restarts}): in this defense the attack has one run; "
            "leave restarts out"
        )
    try:
        saved_settings.to_config(attack)
    except UserError as error:
        warnings.warn(str(error), stacklevel=4)
    return attack
