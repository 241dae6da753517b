"""The flags of tla_tf's commands: a line each, and the rules between them. Free of TensorFlow.

Hyper-parameters have no default here. Their values stand in flags/tla/<dataset>.flags.
"""

from typing import Any

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
    numbers,
    path,
    paths,
    repeated_path,
    switch,
    text,
)
from robust_tf.cli.flag_table import FlagTable
from robust_tf.data import DATASETS, require_data_set
from robust_tf.errors import UserError
from robust_tf.magnitude import format_magnitude
from tla_tf.defenses import CHOICES

METHODS = ("um", "at", "alp", "tla", "tla_rn", "tla_sa", "trades", "mart")
# Which methods read a flag.
ATTACKED = {"method": METHODS[1:]}
TRIPLET = {"method": ("tla", "tla_rn", "tla_sa")}
PAIRING = {"method": ("alp",)}
DIVERGENCE = {"method": ("trades", "mart")}
# CutMix makes images of two classes. A triplet, and the margin of MART, need one class.
MIXABLE = {"method": ("um", "at", "alp", "trades")}
# What the variants of TLA mean, and what the others do unless a flag says otherwise.
VARIANTS = {"tla_rn": {"negative": "random"}, "tla_sa": {"anchor": "clean"}}
_NEGATIVE = {"tla": "nearest", "tla_rn": "random", "tla_sa": "nearest"}
_ANCHOR = {"tla": "adv", "tla_rn": "adv", "tla_sa": "clean"}
# Data sets that test on other classes than they train on.
OF_EMBEDDINGS = ("cub200", "cars196", "sop")
OF_THE_PAPER = ("table2", "table3", "figure1", "figure2", "figure4", "figure5")
_DATA_DIR = shared.data_dir(
    "TFDS folder, folder of tiny-imagenet-200.zip, or folder of the classes. Default: TFDS's own, "
    "downloading."
)
# Nobody attacks an undefended network in training.
_OF_TRAINING: dict[str, Any] = {"into": "attack", "uncompared": {"method": ("um",)}}
_BALL = (
    shared.radius(None, " Default: of the training."),
    choice("norm", None, "Norm of the ball. Default: of the training, else linf.", shared.NORMS),
)
_BATCH_SIZE = count("batch_size", 250, "Images per attacked batch of a device.")


def _settle(options):
    """Applies the rules between the flags of a training; `UserError` where they contradict."""
    _check_dataset(options.dataset)
    options.require()
    if options.norm == "linf":  # radius and steps are changes of single pixels
        rules.check_pixels(options, "eps", "attack_step_size")
    rules.check_steps(options)
    rules.check_pixels(options, "own_noise")
    options = rules.settle_schedule(options)
    rules.check_profile(options)
    if options.select == "best" and not options.held_out:
        raise UserError("--select=best needs images to select by: --held_out=N, e.g. 1000")
    if options.label_smoothing == 1:
        raise UserError("--label_smoothing=1 leaves nothing of the label; allowed is less")
    if options.method == "alp" and options.attack_objective not in ("ce", "full"):
        given = options.attack_objective
        raise UserError(f"--attack_objective={given}: alp has no triplet term; allowed: ce, full")
    for name, fixed in VARIANTS.get(options.method, {}).items():
        if options.values[name] not in (None, fixed):
            raise UserError(
                f"--method={options.method} means --{name}={fixed}; for {options.values[name]} use "
                "--method=tla"
            )
    return _without_foreign_step(options)


def _check_dataset(name):
    require_data_set(name)
    if name in OF_EMBEDDINGS:
        raise UserError(
            f"--dataset={name}: its test images are of other classes than those of training; "
            f"python -m hm_tf.train --dataset={name} learns embeddings"
        )


def _settle_evaluation(options):
    rules.check_place(options)
    if options.saved_model and options.jit_compile == "true":
        rules.refuse_unread(options, ("jit_compile",), "--saved_model")
    return options


def _settle_export(options):
    rules.require(options, workdir="", export_dir="")
    if not options.detector_fpr:
        raise UserError("--detector_fpr must be above 0")
    return options


def _without_foreign_step(options):
    """Leaves the step size to its default where the recipe's does not fit what was typed.

    The recipe's step belongs to its norm, eps and steps: in another ball it may reach next to
    nothing.
    """
    typed = options.typed & {"eps", "norm", "attack_steps"}
    if options.attack_step_size is None or "attack_step_size" in options.typed:
        return options
    if "norm" in typed or (typed and _falls_short(options)):
        return options.changed(attack_step_size=None)
    return options


def _falls_short(options):
    """Whether the steps of the inner attack together are shorter than the radius."""
    if options.inner_attack != "pgd" or options.attack_step_size is None:  # 2.5 * eps / steps
        return False
    return rules.fall_short(options.attack_steps, options.attack_step_size, options.eps)


def workdir_of(options):
    """Returns the run folder of a training, a str; one that names none has it in its name."""
    parent = f"runs/tla_tf/{options.dataset}"
    return default_folder(options, parent, options.method, ("dataset", "method"))


def notes(options):
    """Returns lines for the plan: what the flags do that one may not expect."""
    warmups = rules.unfinished_warmups(options, "eps_warmup_steps", "triplet_warmup_steps")
    if options.method == "um" or not _falls_short(options):
        return warmups
    size, eps = format_magnitude(options.attack_step_size), options.flags["eps"]
    return (
        f"--attack_steps={options.attack_steps} of {size} do not reach --eps={eps}: the inner "
        "attack stays near its random start",
        *warmups,
    )


def likely_masking(options):
    """Returns what in the flags most often masks gradients, a str."""
    if options.inner_attack in ("fgsm_rs", "n_fgsm"):
        return f"--inner_attack={options.inner_attack}, a single step"
    if options.method in TRIPLET["method"]:
        return f"--lambda_triplet={options.lambda_triplet:g}, too large for so short a training"
    return "a small network with batch norm, or a short training"


_RUN = (
    shared.workdir(
        "Run folder. Default: runs/tla_tf/<dataset>/<method>/seed<k>; the method with a "
        "hash of the settings that are not the recipe's."
    ),
    shared.SEED,
    *shared.LENGTH,
    shared.init_from(),
)
_DATA = (
    text(
        "dataset",
        "digits",
        f"{', '.join(DATASETS)}. There is a recipe for digits, mnist, cifar10, "
        "tiny_imagenet and folder; fashion_mnist, cifar100 and svhn_cropped take those of "
        "another one as --flagfile; the others are for hm_tf, which tests on classes that it does "
        "not train on.",
    ),
    _DATA_DIR,
    shared.LIMIT_TEST,
    *shared.READING,
    number(
        "cutmix",
        0.0,
        "Factor of keras.layers.CutMix on the training images.",
        highest=1.0,
        only=MIXABLE,
        off=0.0,
    ),
)
_METHOD_AND_MODEL = (
    choice("method", "tla", "Training method.", METHODS),
    text(
        "model",
        RECIPE,
        "Network: digits_cnn, mlp, lenet_large, lenet_small, wong_mnist, wong_mnist_bn, "
        "tiny_res20, tiny_res50, resnet10_16, torchvision_resnet_18, torchvision_resnet_50, "
        "resnet_18, preact_resnet_18, the last two with _silu, wrn_D_W, strided_wrn_D_W.",
    ),
    choice(
        "bn_variance",
        "biased",
        "Moving variance of batch norm; unbiased: times n / (n - 1), as TensorFlow 1.",
        ("biased", "unbiased"),
    ),
)
_INNER_ATTACK = (
    shared.radius(RECIPE, **_OF_TRAINING),
    choice("norm", "linf", "Norm of the ball.", shared.NORMS, **_OF_TRAINING),
    *group(
        shared.INNER_ATTACK,
        count("attack_steps", RECIPE, "Gradient steps.", **shared.STEPS),
        magnitude(
            "attack_step_size",
            None,
            "Size of a step, in the unit of --eps. Default: of the recipe, 2.5 * eps / steps where "
            "that does not fit.",
            **shared.STEP_SIZE,
        ),
        shared.EPS_WARMUP,
        choice(
            "attack_objective",
            "ce",
            "What the attack ascends: the cross entropy, the triplet term, the loss, or the "
            "triplet's hardness up to --attack_hardness.",
            CHOICES["attack_objective"],
            only={"method": (*TRIPLET["method"], *PAIRING["method"])},
            into="defense",
        ),
        number(
            "attack_hardness",
            0.0,
            "Difference of the distances to positive and negative that the attack stops at.",
            lowest=-1.0,
            highest=1.0,
            only={**TRIPLET, "attack_objective": ("hardness",)},
            into="defense",
        ),
        choice(
            "attack_bn_mode",
            "inference",
            "Batch norm in the attack's passes; training: the authors' AT.",
            CHOICES["attack_bn_mode"],
            into="defense",
        ),
        only=ATTACKED,
    ),
)
_TRIPLET_LOSS = group(
    number(
        "lambda_triplet",
        RECIPE,
        "Weight of the triplet loss, lambda_1.",
        into="defense.triplet_weight",
    ),
    count("triplet_warmup_steps", 0, "Updates in which the triplet weight grows.", lowest=0),
    number("margin", RECIPE, "Margin of the triplet loss."),
    text(
        "embedding",
        "penultimate",
        "Layer of the triplet loss: logits, penultimate, or the name of a dense or pooling "
        "layer. Analyses keep the penultimate one.",
    ),
    number(
        "lambda_norm",
        RECIPE,
        "Weight of the embedding norms, lambda_2.",
        into="defense.norm_weight",
    ),
    choice("norm_form", "l2", "Sum of norms, or the authors' mean square.", CHOICES["norm_form"]),
    choice("pool", RECIPE, "Candidates: clean batch, or separate images.", CHOICES["pool"]),
    count(
        "pool_mul",
        RECIPE,
        "Batches of candidates per update with --pool=separate.",
        only={"pool": ("separate",)},
        into="batches",
    ),
    choice(
        "positive",
        "other",
        "Natural image beside the attacked one: another of the class, its own, or both.",
        CHOICES["positive"],
    ),
    magnitude("own_noise", "0", "Noise on the own image, in the unit of --eps."),
    number("own_margin_mul", 1.0, "Factor on the margin of the own-image triplet."),
    number("match_l2", 0.0, "Weight of the squared distance to the own image's embedding."),
    choice(
        "negative",
        None,
        "Choice of the negative. Default: of the method (tla nearest, tla_rn random).",
        CHOICES["selection"],
        by=("method", _NEGATIVE),
        into="negatives.selection",
    ),
    number(
        "neg_keep",
        0.5,
        "Share of candidates that --negative=masked keeps.",
        highest=1.0,
        only={"negative": ("masked",)},
        into="negatives.keep",
    ),
    choice(
        "neg_similarity",
        "abs",
        "Which candidate is near: by angular distance, or by signed cosine.",
        CHOICES["similarity"],
        into="negatives.similarity",
    ),
    choice(
        "neg_mask",
        "neg_inf",
        "Score of candidates of the own class; zero: as the authors' code, can mislabel.",
        CHOICES["mask"],
        into="negatives.mask",
    ),
    switch(
        "rn_class_check",
        True,
        "False: random negatives of any class, as the authors.",
        into="negatives.class_check",
    ),
    choice(
        "anchor",
        None,
        "Anchor of the triplet. Default: of the method (tla adv, tla_sa clean).",
        CHOICES["anchor"],
        by=("method", _ANCHOR),
    ),
    switch("concat_forward", False, "One training-mode forward of all images of an update."),
    choice("mining", "global", "Candidates of all replicas, or local.", CHOICES["mining"]),
    only=TRIPLET,
    into="defense",
)
_LOGIT_PAIRING = group(
    number("alp_weight", 0.5, "Weight of the pairing term.", into="defense.pairing_weight"),
    number(
        "alp_clean_weight",
        0.5,
        "Weight of the clean cross entropy, the rest is of the attacked one; 0: AT + pairing.",
        highest=1.0,
        into="defense.clean_weight",
    ),
    choice(
        "alp_layer",
        "logits",
        "Output that is paired; x4: the embedding.",
        CHOICES["layer"],
        into="defense.layer",
    ),
    choice(
        "alp_reduce",
        "sum",
        "Reduction of the pairing over the coordinates.",
        CHOICES["reduce"],
        into="defense.reduce",
    ),
    only=PAIRING,
)
_DIVERGENCE_OF_PREDICTIONS = (
    number(
        "beta",
        6.0,
        "Weight of the KL divergence from clean to adversarial predictions.",
        only=DIVERGENCE,
        into="defense",
    ),
)
_OPTIMISATION = (
    count("batch_size", RECIPE, "Images per update over all replicas."),
    shared.optimizer(RECIPE),
    *shared.SCHEDULE,
    shared.AWP,
    *group(
        number("weight_decay", RECIPE, "Weight of sum 1/2 |W|^2 over kernels."),
        number("label_smoothing", 0.0, "Smoothing of the labels, in loss and attack.", highest=1.0),
        choice("reduction", "mean", "Reduction of a batch; sum: equation (1).", ("mean", "sum")),
        into="defense",
    ),
)
_SELECTION = (
    count("held_out", 0, "Training images kept out, attacked at every checkpoint.", lowest=0),
    choice("select", "last", "best: the network with the best held-out PGD-10.", ("last", "best")),
)
TRAIN = FlagTable(
    {
        "Run": _RUN,
        "Data": _DATA,
        "Method and model": _METHOD_AND_MODEL,
        "Inner attack": _INNER_ATTACK,
        "Triplet loss (tla, tla_rn, tla_sa)": _TRIPLET_LOSS,
        "Logit pairing (alp)": _LOGIT_PAIRING,
        "Divergence of predictions (trades, mart)": _DIVERGENCE_OF_PREDICTIONS,
        "Optimisation": _OPTIMISATION,
        "Devices and precision": shared.DEVICES,
        "Selection": _SELECTION,
        "Evaluation after training": (
            names("eval_attacks", RECIPE, "See --attacks of tla_tf.evaluate.", identity=False),
            count("eval_batch_size", 250, "Images per attacked batch.", identity=False),
        ),
    },
    family="tla",
    settle=_settle,
)
EVALUATE = FlagTable(
    {
        "Run": (
            shared.EVALUATED,
            shared.seed("Seed of the attacks' random starts."),
        ),
        "SavedModel or .keras file instead of a run": (
            path(
                "saved_model",
                None,
                "Folder of a SavedModel, or an export_dir (its newest): images in [0, 1] to "
                "logits.",
            ),
            path("model", None, "A .keras file instead: images to logits."),
            *shared.DATA_OF_A_MODEL,
            path("class_names", None, "File with the names of its logits in order, one a line."),
            *shared.SIGNATURE,
            text("output", "logits", "Name of that signature's output, or its only one."),
        ),
        "Data": (_DATA_DIR, shared.LIMIT_TEST),
        "Attacks": (
            names(
                "attacks",
                ["clean", "fgsm", "pgd20"],
                "Comma-separated: clean, fgsm, bimN, pgdN, cwN, mimN with N steps; a number in "
                "front gives restarts (20pgd20); apgd-ce, apgd-dlr, apgd-t, fab-t, square, malt, "
                "apgd-t-all, multi-targeted; the groups standard, fast, plus, rand (AutoAttack: "
                "each member attacks what is still correct; rand for a random network), table1, "
                "cleverhans.",
            ),
            repeated_path(
                "substitute",
                [],
                "Run folder to transfer black-box images from, repeatable: adds the attack "
                "transfer (PGD of table 1's last column), or transfer-NAME if --attacks names it.",
            ),
            choice(
                "mim_form",
                "accumulate",
                "Momentum of mimN: g + gradient (decay 1), the same of gradients divided by their "
                "L1 norm, or a running mean (decay 0.9; the authors' code).",
                ("accumulate", "l1", "ema"),
            ),
            switch(
                "round_pixels",
                False,
                "Round attacked images to 8 bits before they are classified, as the authors' code.",
            ),
            shared.FRESH,
            switch("save_adversarial", False, "Keep the attacked images in RUN/adversarial."),
            shared.checks("images"),
            *_BALL,
            _BATCH_SIZE,
        ),
        "Devices and precision": (*shared.NETWORK, *shared.EVALUATION_DEVICES),
    },
    settle=_settle_evaluation,
)
ANALYZE = FlagTable(
    {
        "Runs": (
            paths("workdir", [], "Folders of finished runs of one data set. Required."),
            shared.seed("Seed of the attack's random starts, of samples and of t-SNE."),
        ),
        "Outputs": (
            names(
                "outputs",
                list(OF_THE_PAPER),
                "Comma-separated: those of the paper; accuracy_over_eps (9 radii, 0 to 4 eps) and "
                "accuracy_over_steps of --attack.",
            ),
            path("output_dir", None, "Folder of the figures. Default: <first run>/figures."),
            choice("format", "svg", "Format of the figures.", ("svg", "png")),
            choice(
                "covariance",
                "auto",
                "Covariance of figure5's Gaussians. auto: full, but tied where a class has fewer "
                "training images than an embedding has entries.",
                ("auto", "full", "tied", "diag"),
            ),
            choice(
                "positive",
                "misclassified",
                "What figure5 detects: misclassified images, natural or attacked, or all attacked "
                "ones.",
                ("misclassified", "adversarial"),
            ),
            switch(
                "all_adv",
                False,
                "table2's true-class companion also of attacked images that are classified "
                "correctly.",
            ),
        ),
        "Data": (_DATA_DIR, shared.LIMIT_TEST, shared.LIMIT_TRAIN),
        "Attack": (
            text("attack", "pgd20", "One attack, named as in --attacks of tla_tf.evaluate."),
            *_BALL,
            _BATCH_SIZE,
        ),
        "Devices": shared.EVALUATION_DEVICES,
    }
)
COMPARE = FlagTable(
    {
        "Runs": (
            paths("workdir", [], "Folders of evaluated runs to compare with each other."),
            shared.PAGE_OF_A_COMPARISON,
            paths("runs", ["runs"], "Folders of runs, or .jsonl of records, beside the paper."),
        )
    }
)
REPORT = FlagTable(
    {
        "Runs": (
            paths("workdir", [], "Folders of evaluated runs of one data set. Required."),
            shared.data_dir("Where the data are. Default: of the training."),
        ),
        "Page": (shared.PAGE,),
    }
)
EXPORT = FlagTable(
    {
        **shared.EXPORT,
        "Format": (shared.export_format("litert_int8"),),
        "Detector": (
            number(
                "detector_fpr",
                0.05,
                "Share of clean images that it rejects.",
                highest=0.5,
                only={"format": ("saved_model",)},
            ),
        ),
    },
    settle=_settle_export,
)
IMPORT_WEIGHTS = FlagTable(
    {
        "Weights": (
            path("checkpoint", None, "Prefix of a TensorFlow 1 checkpoint, or file. Required."),
            text("architecture", None, "Name of the network, see --list. Required."),
            count("depth", None, "Depth of a wide network. Default: of the architecture."),
            count("width", None, "Width of a wide network. Default: of the architecture."),
            numbers(
                "pixel_mean",
                None,
                "Mean of each channel that PyTorch's network subtracts, where the file holds none.",
            ),
            numbers("pixel_std", None, "Standard deviation of each channel, see --pixel_mean."),
            switch("list", False, "Show the architectures and their sources."),
        ),
        "Run": (path("workdir", None, "Run folder to make. Required."),),
        "Data": (
            text("dataset", None, "Data set of the classes. Default: of the architecture."),
            path("data_dir", None, "Folder of the data. Default: of TFDS."),
        ),
    }
)
