"""The red lights of an ensemble: a late member fools what the members before it did not."""

from typing import NamedTuple


class Weakness(NamedTuple):
    """What a late member of an ensemble shows by fooling images that others do not fool.

    Attributes:
        name: name of the doubt.
        allowed: share of all images that it may fool without a doubt.
        allowed_images: number of images that it may fool without a doubt, of however few.
        others: what does not fool them.
        verdict: what follows.
        stronger: what may find more.
    """

    name: str
    allowed: float
    allowed_images: int
    others: str
    verdict: str
    stronger: str


_MASKED = Weakness("masked gradients", 0, 0, "gradients do not", "they are masked", "standard")
# By whether the member attacks in the portions of the fast version, and whether it uses gradients.
# Square may fool none after the few steps of the fast version: gradients mislead there. After the
# full attacks it may fool a few (AutoAttack's flag). Targeted APGD finds single images that few
# steps miss. If it finds many, more may lie behind its portions.
WEAKNESS = {
    (True, False): _MASKED,
    (True, True): Weakness(
        name="weak attack",
        allowed=0.002,
        allowed_images=0,
        others="fewer steps and targets do not",
        verdict="fast is too weak here",
        stronger="standard",
    ),
    (False, False): _MASKED._replace(
        allowed=0.002, allowed_images=1, stronger="an attack through the masking (BPDA)"
    ),
}
