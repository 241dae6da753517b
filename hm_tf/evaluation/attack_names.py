"""The ranking attacks that --attacks names."""

from hm_tf.ranking_attacks.registry import NAMES
from robust_tf.errors import UserError


def attack_names(given):
    """Returns the names as records have them, in the paper's order, each once.

    Args:
        given: list of str: names in any case, "all", or "none".

    Raises:
        UserError: unknown names; all of them are listed.
    """
    wanted = [name.strip().upper() for name in given]
    if wanted == ["NONE"]:
        return ()
    unknown = [name for name in given if name.strip().upper() not in ("ALL", *NAMES)]
    if unknown or not wanted:
        raise UserError(
            f"--attacks: unknown attacks: {', '.join(map(repr, unknown)) or 'no name'}; allowed: "
            f"{', '.join(NAMES)}, all, none"
        )
    return NAMES if "ALL" in wanted else tuple(name for name in NAMES if name in wanted)
