"""Attacks by name: fgsm, bim7, pgd20, 20pgd20 (20 restarts), cw30, mim40, apgd-ce, fab-t ..."""

import dataclasses
import math
import re
from collections.abc import Callable

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.objectives import CrossEntropy, Margin
from robust_tf.attacks.pgd import PGD, Momentum
from robust_tf.attacks.round_pixels import round_pixels
from robust_tf.attacks.square import Square
from robust_tf.threat_model import parse_magnitude

# The members of AutoAttack (Croce and Hein 2020) with its published settings.
AUTO_ATTACK = {
    "apgd-ce": lambda threat_model: APGD(threat_model, "ce", steps=100),
    "apgd-dlr": lambda threat_model: APGD(threat_model, "dlr", steps=100),
    "apgd-t": lambda threat_model: APGD(threat_model, "targeted-dlr", steps=100, targets=9),
    "fab-t": lambda threat_model: FAB(threat_model, steps=100, targets=9),
    "square": lambda threat_model: Square(threat_model, queries=5000),
}
STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")

# Columns of TLA, table 1, by dataset; clean images and black-box transfer are no attacks by name.
TABLE1 = {
    "mnist": ("fgsm", "bim40", "cw40", "pgd40", "pgd100", "20pgd100", "mim200"),
    "cifar10": ("fgsm", "bim7", "cw30", "pgd7", "pgd20", "20pgd20", "mim40"),
    # The header prints PGD 20 twice, with different accuracies: the first is taken for 10 steps.
    "tiny_imagenet": ("fgsm", "bim10", "cw10", "pgd10", "pgd20", "20pgd20", "mim40"),
}
GROUPS = ("standard", "table1", "cleverhans")

ALLOWED = (
    "fgsm, bimN, mimN, pgdN, cwN (N steps), RpgdN, RcwN (R restarts), such as 20pgd20; "
    f"{', '.join(AUTO_ATTACK)}; "
    "cleverhans-fgm, cleverhans-bimN, cleverhans-pgdN, cleverhans-mimN; "
    f"the groups {', '.join(GROUPS)}"
)
CLEVERHANS = re.compile(
    r"cleverhans-(?P<family>fgm(?=$)|(?:bim|mim|pgd)(?=\d))(?P<steps>[1-9]\d*)?"
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
    ("0.3", 40): "0.01",  # TLA and Madry et al. 2018, MNIST: training attack
    ("0.3", 100): "0.01",  # TLA authors' code, MNIST: strong attack while training
    ("0.3", 200): "0.01",  # TLA, table 1 gives the steps only (MIM); size as for 100 steps
}

# Decay of MIM by form; TLA does not give it. 1: Dong et al. 2018. The TLA authors' code averages,
# with a decay of 0 in its configuration, which would be BIM.
MIM_DECAY = {"accumulate": 1.0, "l1": 1.0, "ema": 0.9}


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named attack on a classifier.

    Attributes:
        name: as given to `get`.
        attack: what runs; a PGD, or an attack called with logits_fn, images and labels.
        objective_factory: for a PGD, (logits_fn, labels) -> Objective that it ascends; else None.
        rounded: whether the attacked images are rounded to 8 bits, see `round_pixels`; the clean
            ones must be 8-bit images.
    """

    name: str
    attack: Callable
    objective_factory: Callable | None = None
    rounded: bool = False

    @property
    def restarts(self):
        """How many independent runs the attack has."""
        return getattr(self.attack, "restarts", 1)

    def run(self, logits_fn, x, y, key):
        """One run of the attack, without restarts.

        Args:
            logits_fn: images to logits [batch, classes].
            x: float [batch, ...], the clean images in the box of the threat model.
            y: int [batch], the true labels.
            key: int32 [2], see randomness.key.

        Returns:
            Images like `x`, in ball and box, without gradient.
        """
        if self.objective_factory is None:
            x_adv = self.attack(logits_fn, x, y, key=key)
        else:
            x_adv = self.attack.run(self.objective_factory(logits_fn, y), x, key=key)
        return round_pixels(x_adv, x, self.attack.threat_model) if self.rounded else x_adv


def expand(names, dataset):
    """Returns the list of names with the groups among them replaced by their members, each once.

    standard: AutoAttack's ensemble in its order. table1: the columns of TLA, table 1, for the
    dataset; those of CIFAR-10 if the table does not have it. cleverhans: its FGM, BIM, PGD and MIM
    with the steps of these columns. Other names stay as they are, see `get`.
    """
    columns = TABLE1.get(dataset, TABLE1["cifar10"])
    _, bim, _, pgd, *_, mim = columns
    theirs = ("cleverhans-fgm", *(f"cleverhans-{name}" for name in (bim, pgd, mim)))
    groups = dict(zip(GROUPS, (STANDARD, columns, theirs), strict=True))
    return list(dict.fromkeys(member for name in names for member in groups.get(name, (name,))))


def get(name, threat_model, mim_form="accumulate"):
    """Returns the Preset called `name` within `threat_model`.

    fgsm: one step of eps (Goodfellow et al. 2015). bim: PGD from the image (Kurakin et al. 2017).
    pgd: with a random start (Madry et al. 2018). cw: PGD on the margin (Carlini and Wagner 2017),
    random start as in the TLA authors' code. mim: momentum of `mim_form` (see `Momentum`), by
    default without the normalisation of Dong et al. 2018, as TLA describes it. apgd-ce, apgd-dlr,
    apgd-t (targeted ratio), fab-t, square: the members of AutoAttack. cleverhans-...: that
    library's attack of the name, with the step size ours would have.

    Raises:
        ValueError: unknown name; the message lists what is allowed.
    """
    if name in AUTO_ATTACK:
        return Preset(name, AUTO_ATTACK[name](threat_model))
    if match := CLEVERHANS.fullmatch(name):
        return Preset(name, _cleverhans(match, threat_model))
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
        momentum=Momentum(MIM_DECAY[mim_form], mim_form) if family == "mim" else None,
        restarts=int(match["restarts"] or 1),
    )
    return Preset(name, attack, Margin if family == "cw" else CrossEntropy)


def _cleverhans(match, threat_model):
    steps = int(match["steps"] or 1)
    size = _step_size(threat_model, steps)
    if size is None:
        size = min(2.5 / steps, 1.0) * threat_model.eps
    return CleverhansAttack(match["family"], threat_model, steps, size)


def _step_size(threat_model, steps):
    for (eps, published_steps), size in STEP_SIZES.items():
        same_eps = math.isclose(threat_model.eps, parse_magnitude(eps), rel_tol=1e-6)
        if threat_model.norm == "linf" and same_eps and steps == published_steps:
            return size
    return None
