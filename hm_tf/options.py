"""The flags of hm_tf's commands: a line each, and the rules between them. Free of TensorFlow.

Hyper-parameters have no default here. Their values stand in flags/hm/<dataset>.flags.
"""

import re

from hm_tf.defenses import METRIC_LOSSES
from hm_tf.pretrained.keras_hub_weights import PRESETS
from hm_tf.ranking_attacks import ATTACK_MODES, STANDARD
from hm_tf.triplets import ICS_TRIPLETS, SAMPLING_MODES, SYMBOLS
from robust_tf.cli import flag_rules as rules
from robust_tf.cli import shared_flags as shared
from robust_tf.cli.default_folder import default_folder
from robust_tf.cli.flag import (
    RECIPE,
    choice,
    count,
    group,
    magnitude,
    names,
    number,
    path,
    paths,
    text,
)
from robust_tf.cli.flag_table import FlagTable
from robust_tf.data import DATASETS, require_data_set
from robust_tf.errors import UserError
from robust_tf.magnitude import usual_step_size
from robust_tf.training import recipe as recipes

DEFENSES = ("hm", "none", "est", "act", "minmax", "ses")
FEWEST_HELD_OUT = 50
# Learning rates below it belong to the recipes that start from ImageNet weights.
FINE_TUNING = 1e-4
# Which defenses read a flag.
MANIPULATION = {"defense": ("hm",)}
ATTACKED = {"defense": ("hm", "est", "act", "minmax", "ses")}
_FILES = (
    choice("on_bad_image", "fail", "What to do about undecodable files.", ("fail", "skip")),
    shared.max_pixels("of the training"),
)
_EMBEDDED = count("batch_size", 128, "Images embedded together.")
_TRAINED_ON = "Folder with the data. Default: of the training."


def _settle(options):
    """Applies the rules between the flags of a training; `UserError` where they contradict."""
    require_data_set(options.dataset, [name for name in DATASETS if recipes.exists("hm", name)])
    options.require()
    _check_pixels(options)
    options = _with_step_of_free(options)
    options = rules.settle_schedule(_with_steps_of_l2(options))
    rules.check_profile(options)
    _check_sextuplet(options)
    if "gb_rise" in options.typed and not options.destination.startswith("gb:"):
        raise UserError("--gb_rise goes with --destination=gb:SAMPLER; leave it out")
    if 0 < options.held_out < FEWEST_HELD_OUT:
        raise UserError(
            f"--held_out={options.held_out}: R@1 of fewer than {FEWEST_HELD_OUT} images says little"
        )
    _check_batch_norm(options)
    rules.check_steps(options)
    check_step_size(options, "pgd_step_size", options.pgd_steps, options.norm)
    check_step_size(options, "eval_step_size", options.eval_steps, options.norm)
    return options


def _check_sextuplet(options):
    for name in ("ics_margin", "ics_triplet"):
        if options.values[name] != TRAIN.flags[name].default and not options.ics:
            raise UserError(f"--{name} does nothing with --ics=0; leave it out, or give both")
    if options.ics_margin and options.ics_triplet == "a,p,n":
        raise UserError("--ics_margin: --ics_triplet=a,p,n has --margin; leave it out")


def _check_batch_norm(options):
    frozen = freezes(options.model, options.bn)
    if options.init_from is not None and options.init_weights != "none":
        raise UserError("--init_from and --init_weights both give the first weights; leave one out")
    random = options.init_weights == "none" and options.init_from is None
    # With the first statistics frozen, random weights map all images to about one embedding.
    if frozen and random:
        published = "--init_weights=imagenet or a file, " if options.model in PRESETS else ""
        raise UserError(
            f"--bn=frozen: {options.model} from random weights starts collapsed; give "
            f"{published}--init_from=RUN, or --bn=live --learning_rates=0.001"
        )
    if options.bn == "frozen" and "bn" in options.typed and not frozen:
        raise UserError(f"--bn=frozen: {options.model} has no batch norm; leave it out")


def freezes(model, bn):
    """Whether a network has batch norm statistics that stay as they are."""
    return "resnet" in model and bn == "frozen"


def _check_pixels(options):
    """Under L-inf radius and steps are changes of single pixels; None is the norm of the run."""
    if options.norm == "linf":
        sizes = [name for name, flag in options.table.flags.items() if flag.kind == "magnitude"]
        rules.check_pixels(options, *sizes)
    return options


def _settle_evaluation(options):
    """The standard attack has no settings; `UserError` for others."""
    if options.attacks == [STANDARD]:
        settings = ["mode", "strength", "restarts", "substitute"]
        settings += ["eval_steps", "eval_step_size"] if options.checks == "none" else []
        rules.refuse_unread(options, settings, f"--attacks={STANDARD}")
    return _settle_network(options)


def _settle_network(options):
    rules.check_place(options)
    if "eps" not in options.values:
        return options
    rules.check_steps(options)  # before the attack of the run is built with them
    return _check_pixels(options)


def _settle_search(options):
    """Without a query there is no picture; `UserError` where one is asked for."""
    if options.embeddings and not options.query:
        rules.refuse_unread(options, ("top", "picture"), "--embeddings alone")
    return _settle_network(options)


def _settle_analysis(options):
    """A run has its own network; `UserError` for another."""
    if options.workdir:
        rules.refuse_unread(options, ("model", "init_weights"), "--workdir")
    return options


def _settle_export(options):
    """Only the images of a gallery are searched and read; `UserError` for their flags alone."""
    if not options.gallery:
        settings = "top", "on_bad_image", "max_pixels"
        rules.refuse_unread(options, settings, "an export without --gallery")
    rules.require(options, workdir="", export_dir="")
    return options


def _with_steps_of_l2(options):
    """Gives the steps of an L2 ball the usual size, since a recipe's are changes of pixels."""
    if options.norm != "l2":
        return options
    for size, steps in (("pgd_step_size", "pgd_steps"), ("eval_step_size", "eval_steps")):
        count, usual = options.values[steps], _size_of_steps(options.eps, options.values[steps])
        if size not in options.typed and count * options.values[size] < options.eps:
            options = options.changed(**{size: f"{usual:.6g}"})
    return options


def _with_step_of_free(options):
    """Gives the attack as many steps as a batch has updates, in their usual size."""
    if options.free is None:
        return options
    if "pgd_steps" in options.typed:
        raise UserError("--pgd_steps: --free=M has M steps, one per update; leave it out")
    others = {
        "--awp": options.awp,
        f"--inner_attack={options.inner_attack}": options.inner_attack != "pgd",
        "--source equal to --destination, without an attack": options.source == options.destination,
    }
    if other := next((name for name, given in others.items() if given), None):
        raise UserError(f"--free does not go with {other}")
    options = options.changed(pgd_steps=options.free)
    if "pgd_step_size" in options.typed:
        return options
    return options.changed(pgd_step_size=f"{_size_of_steps(options.eps, options.free):.6g}")


def _size_of_steps(eps, steps):
    """Returns the size of a step where none is given; one step reaches eps."""
    return eps if steps == 1 else usual_step_size(eps, steps)


def check_step_size(options, name, steps, norm):
    """Raises the `UserError` of a step size that the attack cannot have.

    A single step is eps long, whatever was typed. Under L-infinity no step is above 1.

    Args:
        options: `Options`.
        name: Name of the flag.
        steps: int, number of steps of the attack.
        norm: "linf" or "l2", of the attack.
    """
    if steps == 1 and name in options.typed:
        raise UserError(f"--{name} does nothing with one step, which is --eps long; leave it out")
    if norm == "linf":
        rules.check_pixels(options, name)


def workdir_of(options):
    """Returns the run folder of a training, a str; one that names none has it in its name."""
    parts, named = [options.defense, options.source], ["dataset", "defense", "source"]
    if options.defense == "hm":
        parts += [options.destination, f"ics{options.ics:g}" if options.ics else None]
        named += ["destination", "ics"]
    # Names of destinations may have colons, which not every file system takes.
    name = "-".join(re.sub(r"[^\w.-]", "-", part) for part in parts if part)
    return default_folder(options, f"runs/hm_tf/{options.dataset}", name, named)


def notes(options):
    """Returns lines for the plan: what the flags do that one may not expect."""
    lines = [*rules.unfinished_warmups(options, "eps_warmup_steps")]
    if options.defense == "hm" and options.source == options.destination:
        lines.append(
            f"--source and --destination are both {options.source}: the attack is skipped, this is "
            "regular training"
        )
    if options.defense == "est" and freezes(options.model, options.bn):
        lines.append(
            "--bn=frozen: batch norm statistics stay as they are; those of the authors' EST are "
            "live, --bn=live"
        )
    if _falls_short(options):
        size, eps = options.flags["pgd_step_size"], options.flags["eps"]
        lines.append(
            f"--pgd_steps={options.pgd_steps} of {size} do not reach --eps={eps}: the inner attack "
            "stays inside a smaller ball"
        )
    if options.free:
        lines.append(
            f"--free={options.free}: each batch has {options.free} updates in a row, the first on "
            "clean images; passes over the data are fewer by as much"
        )
    random = options.init_weights == "none" and options.init_from is None
    if random and "resnet" in options.model and max(options.learning_rates) < FINE_TUNING:
        lines.append(
            f"--learning_rates={','.join(options.flags['learning_rates'])} is for pretrained "
            "weights; from random ones flags/hm/folder.flags has 0.001"
        )
    return tuple(lines)


def _falls_short(options):
    """Whether the steps of the inner attack together are shorter than the radius."""
    if options.defense == "none" or options.inner_attack != "pgd" or options.pgd_steps == 1:
        return False  # a single step is as long as the radius
    return rules.fall_short(options.pgd_steps, options.pgd_step_size, options.eps)


def likely_collapse(options):
    """Returns what in the flags most often collapses a run, a str (HM, tables 2 and 4)."""
    if options.defense == "minmax":
        return "min-max training, which is known to collapse"
    if options.defense == "hm" and _is_hard(options.destination):
        return f"--destination={options.destination}, too hard; lga or semihard are not"
    rates = ",".join(options.flags["learning_rates"])
    return f"--learning_rates={rates}, too high, or --eps={options.flags['eps']}, too large"


def _is_hard(destination):
    """Whether the hardness means positives farther than negatives."""
    try:
        return float(destination) >= 0
    except ValueError:
        return destination.removeprefix("gb:") in ("softhard", "distance", "hardest")


_RUN = (
    shared.workdir(
        "Run folder. Default: "
        "runs/hm_tf/<dataset>/<defense>-<source>[-<destination>-ics<w>]/seed<k>; the name "
        "with a hash of the settings that are not the recipe's."
    ),
    shared.SEED,
    *shared.LENGTH,
)
_DATA = (
    text(
        "dataset",
        "digit_pairs",
        f"{', '.join(DATASETS)}. There is a recipe for digit_pairs, digits, mnist, fashion_mnist, "
        "cub200, cars196, sop and folder; the others take one of these as --flagfile.",
    ),
    shared.data_dir("Folder with the data. Default: TFDS's own, downloading."),
    *shared.READING,
    shared.LIMIT_TEST,
    path("train_classes", None, "File with the training classes, one a line (folder, digits)."),
)
_DEFENSE_AND_MODEL = (
    choice("defense", "hm", "Training method.", DEFENSES),
    choice(
        "source",
        RECIPE,
        "Sampler of the triplets (hm: of the source).",
        tuple(SYMBOLS),
        into="defense",
    ),
    *group(
        text(
            "destination",
            RECIPE,
            "Hardness to reach: a sampler, lga, g2, ghalf, gb:SAMPLER, a number, or "
            "module.function.",
        ),
        number("ics", RECIPE, "Weight of the intra-class structure loss; 0: without.", off=0.0),
        number("ics_margin", 0.0, "Margin of the intra-class structure loss.", off=0.0),
        choice(
            "ics_triplet",
            ICS_TRIPLETS[0],
            "Members of the sextuplet that the intra-class structure loss compares; ~ is the "
            "adversarial image. a,p,n mixes regular training in, with --margin.",
            ICS_TRIPLETS,
        ),
        number(
            "gb_rise", 0.1, "Most that --destination=gb:SAMPLER adds, xi.", into="manipulation.rise"
        ),
        number("loss_bound", None, "u of the gradual destinations. Default: the margin.", off=None),
        count(
            "free",
            None,
            "Free adversarial training: updates with each batch, each a step of the attack.",
            lowest=2,
            off=None,
        ),
        only=MANIPULATION,
        into="manipulation",
    ),
    *group(
        number("shift_weight", 1.0, "Weight of the embedding shift.", only={"defense": ("ses",)}),
        number("margin", RECIPE, "Margin of the triplet loss, gamma."),
        choice(
            "loss",
            "triplet",
            "Loss of the embeddings; contrastive has the margin 1, multi_similarity none.",
            METRIC_LOSSES,
            into="defense.metric_loss",
        ),
        choice(
            "distance",
            "euclidean",
            "Distance in the training: between unit vectors, cosine, or between embeddings as "
            "they are, for which the authors' margin is 1. Evaluation has unit vectors.",
            ("euclidean", "cosine", "unnormalized"),
        ),
        choice(
            "sampling", "fixed", "compat: with the fallbacks of the authors' code.", SAMPLING_MODES
        ),
        into="defense",
    ),
    text(
        "model",
        RECIPE,
        "Network: digits_embedding, c2f2, resnet10_16, resnet18, resnet50; for small images "
        "resnet_18, preact_resnet_18, these two also with _silu.",
    ),
    choice("bn", RECIPE, "Batch norm statistics of the ResNets.", ("frozen", "live")),
    text(
        "init_weights",
        "none",
        "What resnet18 and resnet50 start from: none, imagenet (by way of keras-hub), or the "
        ".pth or .safetensors file of a torchvision or timm ResNet.",
    ),
    shared.init_from("; an imported ResNet too"),
)
_INNER_ATTACK = (
    shared.radius(
        RECIPE,
        into="attack",
        # Nobody attacks an undefended network in training.
        uncompared={"defense": ("none",)},
    ),
    choice(
        "norm",
        "linf",
        "Norm of the radius, in training and evaluation. l2: steps of 2.5 * eps / steps "
        "where those of the recipe do not reach eps.",
        shared.NORMS,
        into="attack",
    ),
    *group(
        shared.INNER_ATTACK,
        count(
            "pgd_steps",
            RECIPE,
            "Steps of PGD or APGD, eta.",
            **shared.STEPS,
        ),
        magnitude(
            "pgd_step_size", RECIPE, "Size of a PGD step, in the unit of --eps.", **shared.STEP_SIZE
        ),
        shared.EPS_WARMUP,
        only=ATTACKED,
    ),
)
_OPTIMISATION = (
    *group(
        count("batch_size", RECIPE, "Images per update, over all shards.", lowest=4),
        count("shard_size", RECIPE, "Images among which triplets are mined.", lowest=4),
        into="shards",
    ),
    shared.optimizer("adam"),
    *shared.SCHEDULE,
    shared.AWP,
    number(
        "weight_decay",
        RECIPE,
        "Weight of sum 1/2 |W|^2 of all trainable variables in the loss.",
        into="defense",
    ),
)
_COLLAPSE_OF_THE_EMBEDDINGS = (
    choice(
        "on_collapse",
        "warn",
        "What to do when all images look the same.",
        ("warn", "stop"),
        identity=False,
    ),
    count(
        "held_out",
        0,
        "Training images to keep out, at best hundreds: after each checkpoint interval "
        "their R@1 must beat chance. 0: R@1 of 256 training images must.",
        lowest=0,
        compared=False,
    ),
)
_EVALUATION_AFTER_TRAINING = (
    count("eval_steps", RECIPE, "PGD steps of the ES attack.", compared=False),
    magnitude(
        "eval_step_size",
        RECIPE,
        "Step size of the ES attack, in the unit of --eps.",
        compared=False,
    ),
    count("eval_batch_size", 128, "Images per embedded or attacked batch.", identity=False),
)
TRAIN = FlagTable(
    {
        "Run": _RUN,
        "Data": _DATA,
        "Defense and model": _DEFENSE_AND_MODEL,
        "Inner attack": _INNER_ATTACK,
        "Optimisation": _OPTIMISATION,
        "Devices and precision": shared.DEVICES,
        "Collapse of the embeddings": _COLLAPSE_OF_THE_EMBEDDINGS,
        "Evaluation after training": _EVALUATION_AFTER_TRAINING,
    },
    family="hm",
    settle=_settle,
)
_SAVED_MODEL = (
    path("saved_model", None, "Folder of a SavedModel, or an export_dir (its newest)."),
    path("model", None, "A .keras file instead: images to embeddings of any length."),
    *shared.SIGNATURE,
    text(
        "output",
        "embedding",
        "Name of that signature's output, unit vectors, or its only one; or layer of the file.",
    ),
)
EVALUATE = FlagTable(
    {
        "Run": (
            shared.EVALUATED,
            *_SAVED_MODEL,
            *shared.DATA_OF_A_MODEL,
            shared.seed("Seed of the chosen items and of random starts."),
            shared.data_dir(_TRAINED_ON),
            count(
                "limit_test", None, "Use the first n test images only, as queries and as gallery."
            ),
            count(
                "limit_queries", None, "Attack n queries only, evenly spread; the gallery is whole."
            ),
        ),
        "Attacks": (
            names(
                "attacks",
                ["all"],
                "Comma-separated: CA+, CA-, QA+, QA-, TMA, ES, LTM, GTM, GTT; all; none. ERS needs "
                "all. Or standard: APGD and Square on all nine, worst case per query.",
            ),
            choice(
                "mode",
                "both",
                "compat: as the authors' code, to compare with printed tables; fixed: as meant.",
                ("both", *ATTACK_MODES),
            ),
            choice(
                "strength",
                "protocol",
                "strong: protocol, and APGD with restarts.",
                ("protocol", "strong"),
            ),
            count(
                "restarts", 3, "Random starts of --strength=strong.", only={"strength": ("strong",)}
            ),
            path(
                "substitute",
                None,
                "Another run, on whose network images are made to be tried on this one.",
            ),
        ),
        "Attacker": (
            choice(
                "profile",
                "run",
                "eps, steps and step size: of the run, or of the authors for 224 or 28 pixels.",
                ("run", "rob224", "rob28"),
            ),
            shared.radius(None, " Default: --profile."),
            choice("norm", None, "Norm of the radius. Default: --profile.", shared.NORMS),
            count("eval_steps", None, "PGD steps. Default: --profile."),
            magnitude(
                "eval_step_size", None, "Size of a step, in the unit of --eps. Default: --profile."
            ),
        ),
        "Evaluation": (
            shared.checks("queries"),
            shared.FRESH,
            count("batch_size", 128, "Images per embedded or attacked batch."),
            *shared.NETWORK,
            *shared.EVALUATION_DEVICES,
        ),
    },
    settle=_settle_evaluation,
)
ATTACK = FlagTable(
    {
        "Images": (
            shared.workdir("Folder of the finished run to attack."),
            *_SAVED_MODEL,
            path("query", None, "Image to search with, JPEG or PNG. Required."),
            path(
                "gallery",
                None,
                "Folder of images, or of one subfolder per class (ltm, gtm). Required.",
            ),
            path("candidate", None, "Image of the gallery that ca, qa and tma are about."),
            text("query_class", None, "Subfolder the query belongs to, if it is not in one."),
            *_FILES,
            shared.DATA_OF_A_FOLDER,
        ),
        "Attack": (
            text("attack", None, "ca+, ca-, qa+, qa-, tma, es, ltm, gtm or gtt. Required."),
            choice("mode", "fixed", "compat: as the authors' code; fixed: as meant.", ATTACK_MODES),
            shared.radius(None, " Default: the run's."),
            choice("norm", None, "Norm of the radius. Default: the run's.", shared.NORMS),
            count("steps", None, "PGD steps. Default: of the run's evaluation."),
            magnitude(
                "step_size",
                None,
                "Size of a step, in the unit of --eps. Default: of the run's evaluation.",
            ),
            shared.seed("Seed of the candidate that is drawn without --candidate."),
        ),
        "Output": (
            path("output_dir", None, "Default: RUN/attacks/<folder>_<query>_<attack>."),
            count("top", 5, "Images of each ranking in the picture."),
            _EMBEDDED,
        ),
        "Devices": shared.EVALUATION_DEVICES,
    },
    settle=_settle_network,
)
ANALYZE = FlagTable(
    {
        "Run": (
            shared.workdir("Folder of the finished run to analyse."),
            shared.data_dir(_TRAINED_ON),
            shared.seed("Seed of the batches and of the draws."),
            names("outputs", ["table1"], "table1: hardness of the samplers' triplets."),
            count("batches", 100, "Batches of training images; the paper has 1000."),
            path(
                "records",
                None,
                "File of the records. Default: RUN/sampler_hardness.jsonl; of first weights none.",
            ),
        ),
        "First weights of a training instead of a run": (
            text("dataset", None, "Data set, whose recipe gives all that is not named here."),
            text("model", None, "Network. Default: of the recipe."),
            text("init_weights", None, "First weights, see hm_tf.train. Default: of the recipe."),
        ),
        "Devices": shared.EVALUATION_DEVICES,
    },
    settle=_settle_analysis,
)
COMPARE = FlagTable(
    {
        "Runs": (
            paths("workdir", [], "Folders of evaluated runs to compare with each other. Required."),
            shared.PAGE_OF_A_COMPARISON,
        )
    }
)
REPORT = FlagTable(
    {
        "Report": (
            paths("workdir", [], "Run folders, separated by commas. Required."),
            shared.PAGE,
            path("figures_dir", None, "Folder for the figures as SVG too. Default: none."),
        )
    }
)
EXPORT = FlagTable(
    {
        **shared.EXPORT,
        "Format": (shared.export_format(),),
        "Search": (
            path(
                "gallery",
                None,
                "Folder of images, or of one subfolder per class, to search.",
                only={"format": ("saved_model",)},
            ),
            count("top", 10, "Images that a query gets."),
            *_FILES,
        ),
    },
    settle=_settle_export,
)
SEARCH = FlagTable(
    {
        "Network": (
            path("workdir", None, "Folder of the finished run to search with."),
            *_SAVED_MODEL,
            shared.DATA_OF_A_FOLDER,
        ),
        "Images": (
            path("gallery", None, "Folder of images, or of one subfolder per class. Required."),
            path("query", None, "Image to search with, or a folder of images."),
            *_FILES,
            _EMBEDDED,
        ),
        "Result": (
            count("top", 5, "Images found for each query."),
            path("picture", "search.png", "File of the picture of the nearest images."),
            path("embeddings", None, "File OUT.npz for embeddings and names of the gallery."),
        ),
    },
    settle=_settle_search,
)
