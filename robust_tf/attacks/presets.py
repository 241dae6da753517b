"""Attacks by name: fgsm, bim7, pgd20, 20pgd20 (20 restarts), cw30, mim40, apgd-ce, fab-t ..."""

import dataclasses
import math
import re
import string
from collections.abc import Iterable

import tensorflow as tf

from robust_tf.attacks import auto_attack
from robust_tf.attacks.attack import Attack, LogitsFn
from robust_tf.attacks.attack_images import attack_images
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.round_pixels import round_pixels
from robust_tf.errors import require_known, with_closest
from robust_tf.threat_model import ThreatModel, parse_magnitude

_STEPS, _RESTARTS = ("fgsm", "bimN", "mimN", "pgdN", "cwN"), ("RpgdN", "RcwN")
_LIBRARY = tuple(
    f"cleverhans-{name}" for name in ("fgm", "bimN", "pgdN", "madryN", "mimN", "cw2", "spsa")
)
NAMES = (*_STEPS, *_RESTARTS, *auto_attack.MEMBERS, *_LIBRARY)
ALLOWED = (
    f"{', '.join(_STEPS)} (N steps), {', '.join(_RESTARTS)} (R restarts), such as 20pgd20; "
    f"{', '.join(auto_attack.MEMBERS)}; {', '.join(_LIBRARY)}"
)
CLEVERHANS = re.compile(
    r"cleverhans-(?P<family>(?:fgm|cw2|spsa)$|(?:bim|mim|pgd|madry)(?=\d))(?P<steps>[1-9]\d*)?"
)
GRAMMAR = re.compile(
    r"(?P<restarts>[1-9]\d*(?=pgd|cw))?(?P<family>fgsm(?=$)|(?:bim|mim|pgd|cw)(?=\d))"
    r"(?P<steps>[1-9]\d*)?"
)

# (eps, steps): step size under L-inf; every other pair takes 2.5 * eps / steps.
STEP_SIZES = {
    ("8/255", 7): "2/255",  # TLA authors' code, CIFAR-10: training attack
    ("8/255", 10): "2/255",  # TLA authors' code, Tiny ImageNet: strong attack while training
    ("8/255", 20): "1/255",  # TLA authors' code, CIFAR-10: strong attack while training
    ("8/255", 30): "1/255",  # TLA, table 1 gives the steps only (C&W); size as for 20 steps
    ("8/255", 40): "1/255",  # TLA, table 1 gives the steps only (MIM); size as for 20 steps
    ("0.03", 100): "0.001",  # own choice: TLA, table 2 gives the steps only
    ("0.3", 40): "0.01",  # TLA and Madry et al. 2018, MNIST: training attack
    ("0.3", 100): "0.01",  # TLA authors' code, MNIST: strong attack while training
    ("0.3", 200): "0.01",  # TLA, table 1 gives the steps only (MIM); size as for 100 steps
}

# Decay of MIM by form; TLA does not give it. 1: Dong et al. 2018. The TLA authors' code averages,
# with a decay of 0 in its configuration, which would be BIM.
MIM_DECAY = {"accumulate": 1.0, "l1": 1.0, "ema": 0.9}


class UnknownAttack(ValueError):
    """A name that no attack has."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """An attack with a name, that can be called like an `Attack`.

    Attributes:
        name: name of the attack, see `get`.
        attack: `Attack`.
        rounded: whether the attacked images are rounded to 8 bits, see `round_pixels`; the clean
            ones must be 8-bit images.
    """

    name: str
    attack: Attack
    rounded: bool = False

    @property
    def restarts(self) -> int:
        """Number of independent runs of the attack."""
        return getattr(self.attack, "restarts", 1)

    @property
    def eager(self) -> bool:
        """Whether the attack belongs outside of a `tf.function`."""
        return getattr(self.attack, "eager", False)

    @property
    def uses_gradients(self) -> bool:
        """Whether the attack does nothing without a gradient."""
        return getattr(self.attack, "uses_gradients", True)

    @property
    def threat_model(self) -> ThreatModel:
        """Ball and box of the attack."""
        return self.attack.threat_model

    __call__ = attack_images

    def perturb(self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Attacks one batch; see `Attack.perturb` for arguments and result."""
        return self.as_shown(self.attack.perturb(logits_fn, x, y, key), x)

    def as_shown(self, x_adv: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Returns attacked images of `x` as a classifier is shown them: rounded, or as they are."""
        return round_pixels(x_adv, x, self.threat_model) if self.rounded else x_adv

    def single_run(self) -> "Preset":
        """Returns the same with one run of the attack, without restarts."""
        if self.restarts == 1:
            return self
        attack = dataclasses.replace(self.attack, restarts=1)  # type: ignore[call-arg]
        return dataclasses.replace(self, attack=attack)


def get(name: str, threat_model: ThreatModel, mim_form: str = "accumulate") -> Preset:
    """Returns the attack called `name` within `threat_model`.

    fgsm: one step of eps (Goodfellow et al. 2015). bim: PGD from the image (Kurakin et al. 2017).
    pgd: with a random start (Madry et al. 2018). cw: PGD on the margin (Carlini and Wagner 2017),
    random start as in the TLA authors' code. mim: momentum of `mim_form` (see `Momentum`), by
    default without the normalisation of Dong et al. 2018, as TLA describes it. apgd-ce, apgd-dlr,
    apgd-t (targeted ratio), fab-t, square: the members of AutoAttack. cleverhans-...: the attack of
    this name in that library, with the step size of ours.

    Args:
        name: one of these, with its numbers.
        threat_model: `ThreatModel`, its radius in pixel units.
        mim_form: form of `Momentum` in mim.

    Returns:
        `Preset`, which has the call of an `Attack`.

    Raises:
        UnknownAttack: a ValueError whose message lists the known names.
        ValueError: no `ThreatModel`, an unknown form, an attack that the ball does not allow.
    """
    if not isinstance(threat_model, ThreatModel):
        raise ValueError(
            f"expected a ThreatModel such as ThreatModel('8/255'), got {threat_model!r}"
        )
    require_known("mim_form", mim_form, MIM_DECAY)
    name = name if isinstance(name, str) else repr(name)
    if name in auto_attack.MEMBERS:
        return Preset(name, auto_attack.MEMBERS[name](threat_model))
    if match := CLEVERHANS.fullmatch(name):
        return Preset(name, _cleverhans(match, threat_model))
    match = GRAMMAR.fullmatch(name)
    if not match:
        version = (
            f"; robust_tf.AutoAttack has version={name!r}" if name in auto_attack.VERSIONS else ""
        )
        raise UnknownAttack(f"unknown attack {suggested(name)}{version}; allowed: {ALLOWED}")
    family, steps = match["family"], int(match["steps"] or 1)
    attack = PGD(
        threat_model,
        steps,
        threat_model.eps if family == "fgsm" else _step_size(threat_model, steps),
        loss="margin" if family == "cw" else "ce",
        random_start=family in ("pgd", "cw"),
        momentum=Momentum(MIM_DECAY[mim_form], mim_form) if family == "mim" else None,
        restarts=int(match["restarts"] or 1),
    )
    return Preset(name, attack)


def suggested(name: str, more: Iterable[str] = ()) -> str:
    """Returns an unknown name in quotes, with the attack that looks most like it.

    Args:
        name: name with its numbers of restarts and steps.
        more: further names that are allowed.
    """
    # No name has a number that begins with zero: of pgd0 and 0pgd7 the form is suggested.
    restarts = name.removesuffix(name.lstrip(string.digits)).lstrip("0")
    steps = name.removeprefix(name.rstrip(string.digits)).lstrip("0")
    known = (one.replace("R", restarts or "R").replace("N", steps or "N") for one in NAMES)
    return with_closest(name, [*known, *more])


def _cleverhans(match, threat_model):
    if match["steps"] is None:
        return CleverhansAttack(threat_model, match["family"])
    steps = int(match["steps"])
    size = _step_size(threat_model, steps)
    if size is None:
        size = min(2.5 / steps, 1.0) * threat_model.eps
    return CleverhansAttack(threat_model, match["family"], steps, size)


def _step_size(threat_model, steps):
    for (eps, published_steps), size in STEP_SIZES.items():
        same_eps = math.isclose(threat_model.eps, parse_magnitude(eps), rel_tol=1e-6)
        if threat_model.norm == "linf" and same_eps and steps == published_steps:
            return size
    return None
