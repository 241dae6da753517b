"""From flags to objects: the only place that knows both."""

import re

import keras

from hm_tf.defenses.anti_collapse_triplet import AntiCollapseTriplet
from hm_tf.defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.defenses.min_max import MinMax
from hm_tf.defenses.no_defense import NoDefense
from hm_tf.defenses.suppressing_embedding_shift import SuppressingEmbeddingShift
from hm_tf.names import TITLES
from hm_tf.triplets import destinations
from hm_tf.triplets.sampler_names import SYMBOLS
from robust_tf.attacks.pgd import PGD
from robust_tf.cli.flag_values import magnitude, schedule, threat_model, typed
from robust_tf.errors import UserError

DEFENSES = {
    "none": NoDefense,
    "est": EmbeddingShiftedTriplet,
    "act": AntiCollapseTriplet,
    "minmax": MinMax,
    "ses": SuppressingEmbeddingShift,
}
# Flags of HM alone -> what they are without it.
OFF = {"ics": 0.0, "ics_margin": 0.0, "loss_bound": None}
FEWEST_HELD_OUT = 50
# Learning rates below it are of the recipes that start from ImageNet weights.
FINE_TUNING = 1e-4


def title(options):
    """Returns the name of the defense as the paper prints it, e.g. HM[S,gLGA]&ICS."""
    symbol = SYMBOLS[options.source]
    if options.defense != "hm":
        return f"{TITLES[options.defense]}[{symbol}]"
    ics = "&ICS" if options.ics else ""
    return f"HM[{symbol},{destinations.symbol(options.destination)}]{ics}"


def folder_name(options):
    """Returns the name of a defense for a folder, e.g. hm-softhard-lga-ics0.5."""
    parts = [options.defense, options.source]
    if options.defense == "hm":
        parts += [options.destination, f"ics{options.ics:g}" if options.ics else None]
    # Names of destinations may have colons, which not every file system takes.
    return "-".join(re.sub(r"[^\w.-]", "-", part) for part in parts if part)


def attack(options, steps, step_size):
    """Returns the `PGD` of training or evaluation: it starts at the image itself.

    A single step goes all the way (HM, authors' code).
    """
    ball = threat_model(options.eps)
    size = magnitude("step size", step_size)
    return PGD(ball, steps, ball.eps if steps == 1 else size, random_start=False)


def optimizer(options):
    """Returns Adam with the learning rate of the update."""
    return keras.optimizers.Adam(schedule(options), epsilon=1e-8)


def shards(options, replicas):
    """Returns how many shards a replica mines in; UserError where they do not fit the batch."""
    size, batch = options.shard_size, options.batch_size
    if size % 2 or batch % (size * replicas):
        raise UserError(
            f"--batch_size={batch} must be a multiple of --shard_size={size} (even) times "
            f"{replicas} replicas"
        )
    return batch // (size * replicas)


def defense(options, network, replicas):
    """Returns the `AdversarialModel` of --defense around `network`."""
    common = {
        "source": options.source,
        "sampling": options.sampling,
        "margin": options.margin,
        "attack": attack(options, options.pgd_steps, options.pgd_step_size),
        "shards": shards(options, replicas),
        "weight_decay": options.weight_decay,
        "seed": options.seed,
    }
    if options.defense != "hm":
        return DEFENSES[options.defense](network, **common)
    return HardnessManipulation(
        network,
        destination=options.destination,
        ics=options.ics,
        ics_margin=options.ics_margin,
        loss_bound=options.loss_bound,
        **common,
    )


def check(options):
    """Raises the UserErrors of flags that building objects would raise later, before any data."""
    _check_manipulation(options)
    _check_start(options)
    if 0 < options.held_out < FEWEST_HELD_OUT:
        raise UserError(
            f"--held_out={options.held_out}: R@1 of fewer than {FEWEST_HELD_OUT} images says little"
        )
    _check_destination(options)
    optimizer(options)
    attack(options, options.pgd_steps, options.pgd_step_size)
    attack(options, options.eval_steps, options.eval_step_size)


def drop_unread(options):
    """Switches off what a recipe or flagfile sets for HM alone, where another defense is trained.

    Args:
        options: as of `check_typed`; changed in place. What was typed stays, to be refused.
    """
    for name, off in OFF.items():
        if options.defense != "hm" and options[name].using_default_value:
            options[name].value = off


def check_typed(options):
    """Raises the UserError of a flag that was typed and that the defense does not read.

    Args:
        options: as of `flag_values.typed`.
    """
    given = typed(options)
    if options.defense != "hm" and "destination" in given:
        raise UserError(
            f"--destination goes with --defense=hm, not {options.defense}; leave it out"
        )
    if options.defense == "none" and (unread := sorted(given & {"pgd_steps", "pgd_step_size"})):
        raise UserError(f"--{unread[0]}: --defense=none attacks nothing in training; leave it out")
    if options.bn == "frozen" and "bn" in given and not _freezes(options):
        raise UserError(f"--bn=frozen: {options.model} has no batch norm; leave it out")
    check_step_size(options, "pgd_step_size", options.pgd_steps)
    check_step_size(options, "eval_step_size", options.eval_steps)


def check_step_size(options, name, steps):
    """Raises the UserError of a step size that was typed for a single step, see `attack`.

    Args:
        options: as of `check_typed`.
        name: of the flag.
        steps: int, of the attack.
    """
    if steps == 1 and name in typed(options):
        raise UserError(f"--{name} does nothing with one step, which is --eps long; leave it out")


def notes(options):
    """Returns lines for the plan: what the flags do that one may not expect."""
    lines = []
    if options.defense == "hm" and options.source == options.destination:
        lines.append(
            f"--source and --destination are both {options.source}: the attack is skipped, this is "
            "regular training"
        )
    if options.defense == "est" and _freezes(options):
        lines.append(
            "--bn=frozen: batch norm statistics stay as they are; those of the authors' EST are "
            "live, --bn=live"
        )
    if _fine_tunes_nothing(options):
        lines.append(
            f"--learning_rates={','.join(options.learning_rates)} is for pretrained weights; from "
            "random ones flags/hm/folder.flags has 0.001"
        )
    return lines


def _check_manipulation(options):
    given = [name for name in OFF if getattr(options, name)]
    if given and options.defense != "hm":
        raise UserError(f"--{given[0]} goes with --defense=hm, not {options.defense}; leave it out")
    if options.ics_margin and not options.ics:
        raise UserError("--ics_margin does nothing with --ics=0; leave it out, or give both")


def _check_destination(options):
    """The level of the loss is divided by its bound, see `destinations.loss_level`."""
    gradual = _destination(options).gradual
    if options.defense != "hm":
        return
    flag = "margin" if options.loss_bound is None else "loss_bound"
    bound = getattr(options, flag)
    if gradual and bound <= 0:
        raise UserError(
            f"--{flag}={bound:g}: --destination={options.destination} divides by it; give a number "
            "above 0"
        )
    if flag == "loss_bound" and not gradual:
        raise UserError(
            f"--loss_bound goes with a gradual --destination, not {options.destination}; leave it "
            "out"
        )


def _freezes(options):
    """Whether there are batch norm statistics that stay as they are."""
    return options.model.startswith("resnet") and options.bn == "frozen"


def _fine_tunes_nothing(options):
    """Whether random weights are to learn at a rate for pretrained ones."""
    random = options.model.startswith("resnet") and options.init_weights == "none"
    return random and max(map(float, options.learning_rates)) < FINE_TUNING


def _check_start(options):
    """With the first statistics frozen, random weights map all images to about one embedding."""
    if options.init_weights == "none" and _freezes(options):
        raise UserError(
            f"--bn=frozen: {options.model} from random weights starts collapsed; give "
            "--init_weights=imagenet or a file, or --bn=live --learning_rates=0.001"
        )


def _destination(options):
    return destinations.get(options.destination, margin=options.margin)
