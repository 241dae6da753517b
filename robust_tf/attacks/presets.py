"""Attacks by name: fgsm, bim7, pgd20, 20pgd20 (20 restarts), cw30, mim40."""

import dataclasses
import math
import re
from collections.abc import Callable

from robust_tf.attacks.objectives import CrossEntropy, Margin
from robust_tf.attacks.pgd import PGD, Momentum
from robust_tf.threat_model import parse_magnitude

ALLOWED = "fgsm, bimN, mimN, pgdN, cwN (N steps), RpgdN, RcwN (R restarts), such as 20pgd20"
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
    ("0.3", 40): "0.01",  # TLA and Madry et al. 2018, MNIST: training attack
    ("0.3", 100): "0.01",  # TLA authors' code, MNIST: strong attack while training
    ("0.3", 200): "0.01",  # TLA, table 1 gives the steps only (MIM); size as for 100 steps
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named attack on a classifier.

    Attributes:
        name: as given to `get`.
        attack: the PGD to run.
        objective_factory: (logits_fn, labels) -> Objective that the attack ascends.
    """

    name: str
    attack: PGD
    objective_factory: Callable


def get(name, threat_model):
    """Returns the Preset called `name` within `threat_model`.

    fgsm: one step of eps (Goodfellow et al. 2015). bim: PGD from the image (Kurakin et al. 2017).
    pgd: with a random start (Madry et al. 2018). cw: PGD on the margin (Carlini and Wagner 2017),
    random start as in the TLA authors' code. mim: momentum with the decay 1 of Dong et al. 2018,
    without their normalisation, as TLA describes it.

    Raises:
        ValueError: unknown name; the message lists what is allowed.
    """
    match = GRAMMAR.fullmatch(name)
    if not match:
        raise ValueError(f"unknown attack {name!r}; allowed: {ALLOWED}")
    family = match["family"]
    steps = int(match["steps"] or 1)
    attack = PGD(
        threat_model,
        steps,
        threat_model.eps if family == "fgsm" else _step_size(threat_model, steps),
        random_start=family in ("pgd", "cw"),
        momentum=Momentum(1.0) if family == "mim" else None,
        restarts=int(match["restarts"] or 1),
    )
    return Preset(name, attack, Margin if family == "cw" else CrossEntropy)


def _step_size(threat_model, steps):
    for (eps, published_steps), size in STEP_SIZES.items():
        same_eps = math.isclose(threat_model.eps, parse_magnitude(eps), rel_tol=1e-6)
        if threat_model.norm == "linf" and same_eps and steps == published_steps:
            return size
    return None
