"""From the names given to --attacks to the columns of the table."""

import dataclasses
import re

from robust_tf.attacks import presets
from robust_tf.attacks.auto_attack import VERSIONS
from robust_tf.attacks.square import Square
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_column import CLEAN, ROUNDED, Column, ensemble_columns

ENSEMBLE = "standard"
TRANSFER = "transfer"
# Columns of TLA, table 1, by data set; clean images and black-box transfer are no attacks by name.
# Other data sets take the columns of CIFAR-10.
TABLE1 = {
    "mnist": ("fgsm", "bim40", "cw40", "pgd40", "pgd100", "20pgd100", "mim200"),
    "cifar10": ("fgsm", "bim7", "cw30", "pgd7", "pgd20", "20pgd20", "mim40"),
    # The header prints PGD 20 twice, with different accuracies: the first is taken for 10 steps.
    "tiny_imagenet": ("fgsm", "bim10", "cw10", "pgd10", "pgd20", "20pgd20", "mim40"),
}
GROUPS = (*VERSIONS, "table1", "cleverhans")
# Steps of the black-box column of TLA, table 1.
BLACK_BOX = {"mnist": "pgd100", "cifar10": "pgd7", "tiny_imagenet": "pgd10"}
# cleverhans' attack -> ours of the same kind; fgm, bim, pgd and mim take the same steps too.
COUNTERPARTS = {
    "fgm": "fgsm",
    "bim": "bim",
    "pgd": "pgd",
    "madry": "pgd",
    "mim": "mim",
    "cw2": "fab-t",
    "spsa": "square",
}


def attack_columns(
    names, threat_model, dataset, substitutes=(), *, mim_form="accumulate", round_pixels=False
):
    """Returns the list of `Column` that the names stand for, in order, each once.

    Groups are replaced by their members (see `expand`). The members of a version of AutoAttack stay
    an ensemble; the members of "cleverhans" follow our attacks of the same kind.
    "transfer" attacks every substitute with the PGD of the black-box column of TLA's table 1, and
    evaluates the images here. "transfer-NAME" does so with the attack NAME. "transfer" is appended
    where there are substitutes and no name asks for them.
    Another form of momentum than TLA's and rounding show in the names: mim40-ema, pgd20-rounded.

    Args:
        names: list of str.
        threat_model: `ThreatModel`.
        dataset: name of the dataset, which decides on steps.
        substitutes: their names.
        mim_form: see `Momentum`.
        round_pixels: whether attacked images are rounded to 8 bits.

    Raises:
        UserError: no name, unknown names, a transfer without substitutes, an attack that the ball
            does not allow.
    """
    if not names:
        raise UserError("no attack was named; e.g. --attacks=clean,fgsm,pgd20")
    transfers = [name for name in names if name.partition("-")[0] == TRANSFER]
    if transfers and not substitutes:
        raise UserError(f"attack '{transfers[0]}' needs --substitute=RUN, the run to transfer from")
    if substitutes and not transfers:
        names = [*names, TRANSFER]

    def preset_of(name):
        """The preset, whose name has the settings that are not the default."""
        preset = presets.get(name, threat_model, mim_form)
        momentum = getattr(preset.attack, "momentum", None)
        form = f"-{momentum.form}" if momentum and momentum.form != "accumulate" else ""
        title = f"{preset.name}{form}{ROUNDED if round_pixels else ''}"
        return dataclasses.replace(preset, name=title, rounded=round_pixels)

    columns, unknown = [], []
    for name in names:
        try:
            columns += _columns_of(name, preset_of, dataset, substitutes, threat_model.norm)
        except presets.UnknownAttack:
            unknown.append(presets.suggested(name, (CLEAN, TRANSFER, *GROUPS)))
        except ValueError as error:
            raise UserError(f"--attacks={name}: {error}") from error
    if unknown:
        raise UserError(
            f"unknown attacks: {', '.join(unknown)}; allowed: {CLEAN}, {presets.ALLOWED}; the "
            f"groups {', '.join(GROUPS)}; with --substitute {TRANSFER}, {TRANSFER}-NAME"
        )
    return list({(c.name, c.ensemble): c for c in columns}.values())


def without_gradients(columns):
    """Returns the columns that need no gradients of the network, and the names of the others."""
    kept = [
        dataclasses.replace(column, ensemble=None)
        for column in columns
        if column.preset is None or column.substitute or isinstance(column.preset.attack, Square)
    ]
    names = {column.name for column in kept}
    return kept, [column.name for column in columns if column.name not in names]


def expand(names, dataset, norm="linf"):
    """Returns the list of names with the groups among them replaced by their members, each once.

    standard, fast, plus, rand: the members of that version of AutoAttack. table1: the columns of
    TLA, table 1. cleverhans: all attacks of that library that know the norm, with the steps of
    these columns. Other names stay.
    """
    columns = TABLE1.get(dataset, TABLE1["cifar10"])
    _, bim, _, pgd, *_, mim = columns
    theirs = ["fgm", bim, pgd, pgd.replace("pgd", "madry"), mim, "cw2"]
    theirs += ["spsa"] if norm == "linf" else []
    theirs = [f"cleverhans-{name}" for name in theirs]
    groups = {**VERSIONS, "table1": columns, "cleverhans": theirs}
    return list(dict.fromkeys(member for name in names for member in groups.get(name, (name,))))


def counterpart(name):
    """Returns the name of our attack for "cleverhans-bim7" and the like, None for other names.

    What comes after the steps, as in "cleverhans-bim7-rounded", stays.
    """
    match = re.fullmatch(r"cleverhans-(cw2|[a-z]+)(.*)", name)
    return COUNTERPARTS[match[1]] + match[2] if match else None


def _columns_of(name, preset_of, dataset, substitutes, norm):
    if name == CLEAN:
        return [Column(name, None)]
    if name in VERSIONS:
        return ensemble_columns(name, preset_of)
    kind, _, attack = name.partition("-")
    if kind == TRANSFER:
        attack = attack or BLACK_BOX.get(dataset, BLACK_BOX["cifar10"])
        preset = preset_of(attack)
        named = {source: f"{TRANSFER}-{preset.name} from {source}" for source in substitutes}
        return [
            Column(title, dataclasses.replace(preset, name=title), substitute=source)
            for source, title in named.items()
        ]
    # The columns of table 1 begin with clean images, which are no attack.
    first = [Column(CLEAN, None)] if name == "table1" else []
    members = expand([name], dataset, norm)
    if name == "cleverhans":
        members = [*map(counterpart, members), *members]
    found = [preset_of(member) for member in members]
    return first + [Column(preset.name, preset) for preset in found]
