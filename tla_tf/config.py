"""From flags to objects: the only place that knows both."""

import keras

from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.training.flag_values import magnitude, schedule, threat_model
from robust_tf.training.momentum_sgd import MomentumSGD
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.adversarial_training import AdversarialTraining
from tla_tf.defenses.triplet_adversarial import TripletAdversarial
from tla_tf.defenses.undefended import Undefended
from tla_tf.negatives import NegativeSelection

# What the variants of TLA fix: name -> (negative, anchor). None leaves it to the flag.
TLA_VARIANTS = {"tla": (None, None), "tla_rn": ("random", None), "tla_sa": (None, "clean")}


def inner_attack(options):
    """Returns the `PGD` of the inner maximisation (TLA, section 3)."""
    size = options.attack_step_size
    size = None if size is None else magnitude("attack_step_size", size)
    return PGD(
        threat_model(options.eps, options.norm), options.attack_steps, size, random_start=True
    )


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
    return ("pool",) if options.positive == "own" else ("positive", "pool")


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
        own_noise=magnitude("own_noise", options.own_noise),
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
    inner_attack(options)
    optimizer(options)
    if options.method in TLA_VARIANTS:
        _variant(options)
        magnitude("own_noise", options.own_noise)
