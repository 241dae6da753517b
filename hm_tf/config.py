"""From flags to objects: the only place that knows both."""

import keras

from hm_tf import destinations
from hm_tf.defenses.anti_collapse_triplet import AntiCollapseTriplet
from hm_tf.defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.defenses.min_max import MinMax
from hm_tf.defenses.no_defense import NoDefense
from hm_tf.defenses.suppressing_embedding_shift import SuppressingEmbeddingShift
from hm_tf.names import TITLES
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.miners.triplet_sampler import SYMBOLS, TripletSampler
from robust_tf.training.flag_values import magnitude, schedule, threat_model

DEFENSES = {
    "none": NoDefense,
    "est": EmbeddingShiftedTriplet,
    "act": AntiCollapseTriplet,
    "minmax": MinMax,
    "ses": SuppressingEmbeddingShift,
}
FEWEST_HELD_OUT = 50


def title(options):
    """Returns the name of the defense as the paper prints it, e.g. HM[S,gLGA]&ICS."""
    symbol = SYMBOLS[options.source]
    if options.defense != "hm":
        return f"{TITLES[options.defense]}[{symbol}]"
    ics = "&ICS" if options.ics else ""
    return f"HM[{symbol},{_destination(options).symbol}]{ics}"


def attack(options, steps, step_size):
    """Returns the `PGD` of training or evaluation: it starts at the image itself.

    A single step goes all the way (HM, authors' code).
    """
    ball = threat_model(options.eps)
    size = magnitude("step size", step_size)
    return PGD(ball, steps, ball.eps if steps == 1 else size)


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
    sampler = TripletSampler(options.source, margin=options.margin, mode=options.sampling)
    common = {
        "sampler": sampler,
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
        destination=_destination(options),
        ics_weight=options.ics,
        ics_margin=options.ics_margin,
        loss_bound=options.loss_bound,
        **common,
    )


def check(options):
    """Raises the UserErrors of flags that building objects would raise later, before any data."""
    if options.defense != "hm" and options.ics:
        raise UserError(f"--ics goes with --defense=hm, not {options.defense}; set --ics=0")
    _check_start(options)
    if 0 < options.held_out < FEWEST_HELD_OUT:
        raise UserError(
            f"--held_out={options.held_out}: R@1 of fewer than {FEWEST_HELD_OUT} images says little"
        )
    _destination(options)
    optimizer(options)
    attack(options, options.pgd_steps, options.pgd_step_size)
    attack(options, options.eval_steps, options.eval_step_size)


def _check_start(options):
    """With the first statistics frozen, random weights map all images to about one embedding."""
    starts_anew = options.init_weights == "none" and options.model.startswith("resnet")
    if starts_anew and options.bn == "frozen":
        raise UserError(
            f"--bn=frozen: {options.model} from random weights starts collapsed; give "
            "--init_weights=imagenet or a file, or --bn=live"
        )


def _destination(options):
    return destinations.get(options.destination, margin=options.margin)
