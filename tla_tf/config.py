"""From flags to objects: the only place that knows both."""

import math

import keras

from robust_tf.attacks.pgd import PGD
from robust_tf.cli.flag_values import change, magnitude, schedule, threat_model, typed
from robust_tf.errors import UserError
from robust_tf.threat_model import format_magnitude
from robust_tf.training.momentum_sgd import MomentumSGD
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.adversarial_training import AdversarialTraining
from tla_tf.defenses.negatives import NegativeSelection
from tla_tf.defenses.triplet_adversarial import TripletAdversarial
from tla_tf.defenses.undefended import Undefended
from tla_tf.method_flags import UNREAD

# What the variants of TLA fix: name -> (negative, anchor). None leaves it to the flag.
TLA_VARIANTS = {"tla": (None, None), "tla_rn": ("random", None), "tla_sa": (None, "clean")}


def inner_attack(options):
    """Returns the `PGD` of the inner maximisation (TLA, section 3)."""
    size, ball = options.attack_step_size, threat_model(options.eps, options.norm)
    if size is not None:
        size = (change if ball.norm == "linf" else magnitude)("attack_step_size", size)
    return PGD(ball, options.attack_steps, size, random_start=True)


def drop_step_size(options):
    """Leaves the step size to its default where that of the recipe does not fit what was typed.

    It is of the recipe's norm, eps and steps: of others it may reach next to nothing.

    Args:
        options: as of `flag_values.typed`; changed in place.
    """
    recipe = (options.eps, options.attack_steps, options.attack_step_size)
    given = typed(options)
    if None in recipe or "attack_step_size" in given:
        return
    other = given & {"eps", "norm", "attack_steps"}
    if "norm" in other or (other and not _reaches(inner_attack(options))):
        options["attack_step_size"].value = None


def check_typed(options):
    """Raises the UserError of a flag that was typed and that the training does not read.

    Args:
        options: as of `flag_values.typed`.
    """
    given = typed(options)
    if unread := sorted(given & UNREAD[options.method]):
        raise UserError(f"--{unread[0]} does nothing with --method={options.method}; leave it out")
    if "pool_mul" in given and options.pool == "batch":
        raise UserError("--pool_mul does nothing with --pool=batch; add --pool=separate")
    if "neg_keep" in given and options.negative != "masked":
        raise UserError("--neg_keep does nothing without --negative=masked; add it")


def check_replicas(options, replicas):
    """Raises UserError where batch norm would be synchronised within the loop of the attack."""
    if options.attack_bn_mode == "training" and replicas > 1:
        raise UserError(
            f"--attack_bn_mode=training cannot be synchronised over {replicas} replicas; add "
            "--strategy=one_device"
        )


def notes(options):
    """Returns lines for the plan: what the flags do that one may not expect."""
    if options.method == "um" or _reaches(attack := inner_attack(options)):
        return []
    return [
        f"--attack_steps={attack.steps} of {format_magnitude(attack.step_size)} do not reach "
        f"--eps={options.eps}: the inner attack stays near its random start"
    ]


def _reaches(attack):
    """Whether the steps together are as long as the radius."""
    reach = attack.steps * attack.step_size
    return reach > attack.threat_model.eps or math.isclose(reach, attack.threat_model.eps)


def optimizer(options):
    """Returns the optimiser with its learning-rate schedule by update."""
    rate = schedule(options)
    if options.optimizer == "adam":
        return keras.optimizers.Adam(rate, epsilon=1e-8)
    return MomentumSGD(rate, momentum=0.9)


def streams(options):
    """Returns the image streams that the method needs beside the anchors."""
    if options.method not in TLA_VARIANTS or options.pool == "batch":
        return ()
    _, anchor = _variant(options)
    alone = anchor == "clean" or options.positive == "own"
    return ("pool",) if alone else ("positive", "pool")


def defense(options, network):
    """Returns the `AdversarialModel` of --method around `network`."""
    common = {
        "weight_decay": options.weight_decay,
        "reduction": options.reduction,
        "seed": options.seed,
        "label_smoothing": options.label_smoothing,
    }
    if options.method == "um":
        return Undefended(network, **common)
    common.update(attack=inner_attack(options), attack_bn_mode=options.attack_bn_mode)
    if options.method == "at":
        return AdversarialTraining(network, **common)
    if options.method == "alp":
        return AdversarialLogitPairing(
            network,
            pairing_weight=options.alp_weight,
            clean_weight=options.alp_clean_weight,
            layer=options.alp_layer,
            reduce=options.alp_reduce,
            **common,
        )
    return _triplet_adversarial(options, network, common)


def _triplet_adversarial(options, network, common):
    negative, anchor = _variant(options)
    selection = NegativeSelection(
        negative,
        similarity=options.neg_similarity,
        mask=options.neg_mask,
        keep=options.neg_keep,
        class_check=options.rn_class_check,
    )
    return TripletAdversarial(
        network,
        triplet_weight=options.lambda_triplet,
        norm_weight=options.lambda_norm,
        margin=options.margin,
        negatives=selection,
        positive=options.positive,
        pool=options.pool,
        anchor=anchor,
        own_margin_mul=options.own_margin_mul,
        own_noise=change("own_noise", options.own_noise),
        match_l2=options.match_l2,
        norm_form=options.norm_form,
        concat_forward=options.concat_forward,
        mining=options.mining,
        **common,
    )


def _variant(options):
    """Returns (negative, anchor) of the method, unless a flag contradicts its name."""
    resolved = []
    defaults = {"negative": "nearest", "anchor": "adv"}
    for name, fixed in zip(("negative", "anchor"), TLA_VARIANTS[options.method]):
        asked = getattr(options, name)
        if fixed and asked and asked != fixed:
            raise UserError(
                f"--method={options.method} means --{name}={fixed}; for {asked} use --method=tla"
            )
        resolved.append(fixed or asked or defaults[name])
    return resolved


def check(options):
    """Raises the UserErrors of flags that building objects would raise later, before any data."""
    if options.select == "best" and not options.held_out:
        raise UserError("--select=best needs images to select by: --held_out=N, e.g. 1000")
    if options.label_smoothing == 1:
        raise UserError("--label_smoothing=1 leaves nothing of the label; allowed is less")
    inner_attack(options)
    optimizer(options)
    if options.method in TLA_VARIANTS:
        _variant(options)
        change("own_noise", options.own_noise)
