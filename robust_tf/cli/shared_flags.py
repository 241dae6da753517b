"""The flags that the commands of both papers have."""

from typing import Any

from robust_tf.cli.flag import RECIPE, choice, count, counts, number, numbers, path, switch
from robust_tf.errors import UserError, require_pixel_change

SCHEDULES = ("onecycle", "cosine")
LARGEST_SEED = 2**32 - 1  # of NumPy's generator, which Keras seeds too
# Sets of image files of any size, which are resized, and of which some may not be decodable.
IMAGE_FILES = {"dataset": ("cub200", "cars196", "sop", "folder")}
_OF_FILES = "(folder, cub200, cars196, sop). From the recipe."
NORMS = ("linf", "l2")
RADIUS = "Radius in [0, 1] pixels, also as 8/255"
# Who reads the steps of the inner attack, and where they go.
STEPS: dict[str, Any] = {"only": {"inner_attack": ("pgd", "apgd")}, "into": "attack.steps"}
STEP_SIZE: dict[str, Any] = {"only": {"inner_attack": ("pgd",)}, "into": "attack.step_size"}


def workdir(about, **more):
    """The folder of a run."""
    return path("workdir", None, about, identity=False, place=True, **more)


def seed(about, **more):
    """The seed of whatever a command draws."""
    return count("seed", 0, about, lowest=0, highest=LARGEST_SEED, compared=False, **more)


def data_dir(about):
    """The folder of the data."""
    return path("data_dir", None, about, identity=False, place=True)


def optimizer(default):
    """The optimiser of a training."""
    about = "Optimiser; momentum and nesterov: SGD in TensorFlow 1's form."
    return choice("optimizer", default, about, ("adam", "momentum", "nesterov"))


def checks(unit):
    """The checks of a robustness claim, made on so many `unit`."""
    about = f"Whether the numbers can be believed: red, amber, green lines, of 256 or 1000 {unit}."
    return choice("checks", "none", about, ("none", "quick", "full"))


def export_format(*more):
    """The form of an export."""
    about = "Format of the export; onnx and litert need the extras of these names."
    return choice("format", "saved_model", about, ("saved_model", "onnx", "litert", *more))


def max_pixels(default, **more):
    """The size from which on image files are not read."""
    about = f"Files that announce more pixels cannot be read. Default: {default}."
    return count("max_pixels", None, about, **more)


LENGTH = (
    count(
        "train_steps",
        RECIPE,
        "Updates in all; a run without --schedule may be continued with more.",
        identity="schedule",
        compared=True,
    ),
    count(
        "checkpoint_every",
        RECIPE,
        "Updates between checkpoints and log lines.",
        identity="held_out",
    ),
    number(
        "save_every_minutes",
        10.0,
        "Minutes after which a checkpoint is written between these, too.",
        identity=False,
    ),
    count("keep_checkpoints", 3, "Checkpoints that stay, the last ones.", identity=False),
)
LIMIT_TEST = count("limit_test", None, "Use the first n test images only.", identity=False)
LIMIT_TRAIN = count("limit_train", None, "Use the first n training images only.")
# The names themselves are kept with a run, and a run with others is refused.
CLASS_NAMES = path(
    "class_names",
    None,
    "File with one class name per line, in the order of the labels. Default: the order of the "
    "folders' names as text.",
    identity=False,
    place=True,
    only={"dataset": ("folder",)},
)
READING = (
    LIMIT_TRAIN,
    count(
        "image_size", None, f"Side in pixels of what a network sees {_OF_FILES}", only=IMAGE_FILES
    ),
    choice(
        "on_bad_image",
        None,
        f"What to do about undecodable files {_OF_FILES}",
        ("fail", "skip"),
        only=IMAGE_FILES,
        compared=False,
    ),
    max_pixels("100 megapixels", only=IMAGE_FILES, compared=False),
    CLASS_NAMES,
    switch(
        "grayscale",
        False,
        "Whether the images of --dataset=folder are read with one channel.",
        only={"dataset": ("folder",)},
    ),
)
SCHEDULE = (
    numbers("learning_rates", RECIPE, "Learning rates of the stretches between boundaries."),
    counts("boundaries", [], "Updates after which the next learning rate holds."),
    choice(
        "schedule",
        None,
        "Instead of boundaries: the rate rises to the first of --learning_rates and falls to 0, "
        "linearly or as a cosine.",
        SCHEDULES,
    ),
    count(
        "warmup_steps",
        None,
        "Updates in which the rate rises. Default: onecycle 40 % of all, cosine 0.",
        lowest=0,
        only={"schedule": SCHEDULES},
    ),
    number(
        "ema",
        None,
        "Decay of the average of weights and batch norm statistics that is evaluated and kept, "
        "e.g. 0.9995.",
    ),
)
# Parts of a recipe that both papers leave out; a package says who reads the second.
AWP = number(
    "awp",
    0.0,
    "Adversarial weight perturbation: radius in norms of a kernel, e.g. 0.005.",
    into="defense",
)
INNER_ATTACK = choice(
    "inner_attack",
    "pgd",
    "fgsm_rs: one step of 1.25 * eps from a random start; n_fgsm: one step of eps from a noisy "
    "image; apgd: from a random start, with steps that adapt.",
    ("pgd", "fgsm_rs", "n_fgsm", "apgd"),
    into="attack.kind",
)
EPS_WARMUP = count(
    "eps_warmup_steps",
    0,
    "Updates in which the radius of the inner attack grows.",
    lowest=0,
    into="defense",
)
NETWORK = (
    choice(
        "precision",
        "float32",
        "Keras policy of the network.",
        ("float32", "mixed_bfloat16", "mixed_float16"),
    ),
    choice(
        "jit_compile",
        "auto",
        "XLA; auto: on a GPU only.",
        ("auto", "true", "false"),
        compared=False,
    ),
)
_LOGICAL_CPUS = count(
    "logical_cpus", 1, "Divide the processor into n devices (tests of replicas).", identity=False
)
DEVICES = (
    *NETWORK,
    choice(
        "deterministic",
        "auto",
        "Kernels that add up in one order: the same bits again; auto: on a CPU only, where it is "
        "free. XLA is then off.",
        ("auto", "true", "false"),
        compared=False,
    ),
    choice(
        "strategy",
        "auto",
        "auto: as many GPUs as divide the batch (hm_tf: into whole shards); multi_worker: all of "
        "the machines that TF_CONFIG names.",
        ("auto", "one_device", "mirrored", "multi_worker"),
        identity=False,
    ),
    _LOGICAL_CPUS,
    counts(
        "profile_steps",
        [],
        "First and last update of a profile for TensorBoard, e.g. 20,24.",
        identity=False,
        compared=False,
    ),
)
EVALUATION_DEVICES = (
    choice(
        "strategy",
        "auto",
        "auto, mirrored: all GPUs; each attacks a batch of its own. No image's outcome changes.",
        ("auto", "one_device", "mirrored"),
    ),
    _LOGICAL_CPUS,
)
EXPORT = {
    "Run": (
        workdir("Folder of the finished run to export. Required."),
        data_dir("Folder of a --dataset=folder run. Default: of the training."),
        path("export_dir", None, "Where the SavedModel goes, as <export_dir>/1, /2, ... Required."),
        count("limit_test", 500, "Test images that the SavedModel is attacked on, the first n."),
    )
}


def settle_schedule(options):
    """Returns the options with one learning rate and no boundaries where a schedule takes those.

    Raises:
        UserError: boundaries that do not ascend or do not fit the learning rates, or that were
            typed beside a schedule; a warm-up without end; an average without decay.
    """
    if options.schedule is not None:
        options = _without_stretches(options)
    rates, boundaries = options.learning_rates or [], options.boundaries
    if boundaries != sorted({0, *boundaries})[1:]:
        steps = ",".join(map(str, boundaries))
        raise UserError(f"--boundaries={steps}: the steps must be positive and ascend")
    # A shorter run with fewer boundaries than rates is a mistake, not a guess to make.
    if options.learning_rates is not None and len(rates) != len(boundaries) + 1:
        raise UserError(
            f"--learning_rates has {len(rates)} values and --boundaries {len(boundaries)}; "
            "there must be one rate more than boundaries"
        )
    if (options.warmup_steps or 0) >= (options.train_steps or float("inf")):
        raise UserError(
            f"--warmup_steps={options.warmup_steps} must be fewer than "
            f"--train_steps={options.train_steps}"
        )
    if options.ema is not None and not 0 < options.ema < 1:
        raise UserError(f"--ema={options.ema:g}: the decay lies between 0 and 1, e.g. 0.9995")
    return options


def _without_stretches(options):
    """A recipe's first rate is its largest; what was typed must fit."""
    typed_rates = options.learning_rates if "learning_rates" in options.typed else []
    typed_boundaries = options.boundaries if "boundaries" in options.typed else []
    if typed_boundaries or len(typed_rates) > 1:
        raise UserError(
            f"--schedule={options.schedule} takes one learning rate, its largest, and no "
            "--boundaries"
        )
    first = options.flags["learning_rates"] and options.flags["learning_rates"][:1]
    return options.changed(learning_rates=first, boundaries=[])


def check_profile(options):
    """Raises the `UserError` of --profile_steps that are not two steps of the run in order."""
    steps = options.profile_steps
    if steps and (len(steps) != 2 or not 1 <= steps[0] <= steps[1] <= options.train_steps):
        given = ",".join(map(str, steps))
        raise UserError(
            f"--profile_steps={given}: give the first and the last update, of 1 to "
            f"{options.train_steps}, e.g. 20,24"
        )


def unfinished_warmups(options, *names):
    """Returns a line for every flag among `names` whose growth the training does not finish."""
    counts = {name: options.values.get(name) or 0 for name in names}
    return tuple(
        f"--{name}={count}: the training ends before, at "
        f"{100 * options.train_steps / count:.1f} % of the full value"
        for name, count in counts.items()
        if count > options.train_steps
    )


def refuse_unread(options, names, chosen):
    """Raises the `UserError` of one of the flags `names` that was typed: nothing reads it.

    Args:
        options: `Options`.
        names: names of flags.
        chosen: the flag that makes them so, as a user types it.
    """
    if typed := sorted(options.typed.intersection(names)):
        raise UserError(f"--{typed[0]} does nothing with {chosen}; leave it out")


def check_pixels(options, *names):
    """Raises the `UserError` of a change of single pixels that is above 1."""
    for name in names:
        given = options.flags[name]
        require_pixel_change(f"--{name}={given}", given, options.values[name] or 0)


def check_steps(options):
    """Raises the `UserError` of steps of no length in a ball of another radius than 0."""
    for name, size in options.values.items():
        if name.endswith("step_size") and size == 0 and options.values["eps"] != 0:
            raise UserError(
                f"--{name}={options.flags[name]}: steps of no length attack nothing; give a size "
                "> 0, or leave it out"
            )
